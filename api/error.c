#include "api/error.h"

static const struct {
	int status;
	const char *code, *format;
} errors[API_ERROR_MAX] = {
	[API_OK] = { 200, "", "" },
#define X(name, http, aws_code, message) [API_##name] = { http, aws_code, message },
	API_ERRORS(X)
#undef X
};

int api_error_status(enum api_error e)
{
	return errors[e].status;
}

const char *api_error_code(enum api_error e)
{
	return errors[e].code;
}

const char *api_error_format(enum api_error e)
{
	return errors[e].format;
}
