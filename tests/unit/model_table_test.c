/* The generated tables and their readers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "api/model/model.h"
#include "common/cleanup.h"

static void test_services(void **state)
{
	(void)state;
	const struct model_service *ec2 = model_service("ec2"), *sts = model_service("sts");

	assert_non_null(ec2);
	assert_non_null(sts);
	assert_null(model_service("nothing"));
	assert_null(model_operation(model_service("nothing"), "RunInstances"));
	assert_true(model_service_operations(ec2) >= 576);
	assert_int_equal(model_service_protocol(ec2), MODEL_PROTOCOL_EC2);
	assert_int_equal(model_service_protocol(sts), MODEL_PROTOCOL_QUERY);
	assert_string_equal(model_service_namespace(ec2),
			    "http://ec2.amazonaws.com/doc/2016-11-15/");
	assert_string_equal(model_service_namespace(sts),
			    "https://sts.amazonaws.com/doc/2011-06-15/");
	assert_string_equal(model_service_version(ec2), "2016-11-15");
}

/* Every operation is found by its own name, and its shapes are sound. */
static void test_operations(void **state)
{
	(void)state;
	for (size_t s = 0; s < model_service_count(); s++) {
		const struct model_service *service = model_service_at(s);

		for (size_t i = 0; i < model_service_operations(service); i++) {
			const struct model_operation *op = model_operation_at(service, i);
			const struct model_shape *in = model_operation_input(op);

			assert_ptr_equal(model_operation(service, model_operation_name(op)), op);
			assert_ptr_equal(model_operation_service(op), service);
			assert_int_equal(model_shape_type(in), MODEL_STRUCTURE);
			for (size_t m = 0; m < model_shape_members(in); m++) {
				const struct model_member *member = model_shape_member(in, m);

				assert_ptr_equal(model_shape_find(in, model_member_name(member)),
						 member);
				assert_true(*model_member_wire(member) != '\0');
			}
		}
		assert_null(model_operation(service, "NoSuchThing"));
	}
}

static const struct model_shape *input(const char *operation)
{
	return model_operation_input(model_operation(model_service("ec2"), operation));
}

static void test_members(void **state)
{
	(void)state;
	const struct model_shape *run = input("RunInstances");
	const struct model_member *m = model_shape_find_wire(run, "BlockDeviceMapping.1", 18);
	const struct model_operation *op = model_operation(model_service("ec2"), "RunInstances");

	assert_non_null(m);
	assert_string_equal(model_member_name(m), "BlockDeviceMappings");
	assert_true(model_member_required(model_shape_find(run, "MinCount")));
	assert_false(model_member_required(model_shape_find(run, "KeyName")));
	assert_string_equal(model_member_name(model_operation_token(op)), "ClientToken");
	assert_true(model_member_token(model_operation_token(op)));
	assert_null(model_shape_find(run, "imageId"));

	const struct model_shape *type = model_member_shape(model_shape_find(run, "InstanceType"));

	assert_true(model_shape_enum_has(type, "t3.micro"));
	assert_true(model_shape_enum_open(type));
	assert_string_equal(model_shape_item(model_member_shape(m)), "BlockDeviceMapping");
}

static void test_overlay(void **state)
{
	(void)state;
	static const char *const newer[][2] = {
		{ "TerminateInstances", "Force" },	  { "TerminateInstances", "SkipOsShutdown" },
		{ "StopInstances", "SkipOsShutdown" },	  { "DescribeImages", "MaxResults" },
		{ "DescribeImages", "NextToken" },	  { "DescribeImages", "IncludeDisabled" },
		{ "DescribeInstances", "IncludeManagedResources" },
		{ "RunInstances", "EnablePrimaryIpv6" },
	};

	for (size_t i = 0; i < MC_ARRAY_SIZE(newer); i++)
		assert_non_null(model_shape_find(input(newer[i][0]), newer[i][1]));
	assert_non_null(model_operation_output(model_operation(model_service("ec2"),
							       "DeleteKeyPair")));
}

static void test_pages(void **state)
{
	(void)state;
	const struct model_service *ec2 = model_service("ec2");
	const struct model_operation *op = model_operation(ec2, "DescribeInstances");

	assert_true(model_operation_paginated(op));
	assert_string_equal(model_operation_result_key(op), "Reservations");
	assert_false(model_operation_paginated(model_operation(ec2, "RunInstances")));
	assert_null(model_operation_output(model_operation(ec2, "CreateTags")));
	assert_null(model_operation_token(model_operation(ec2, "DescribeInstances")));
}

/* Every waiter of the model can be judged without a JMESPath evaluator. */
static void test_waiters(void **state)
{
	(void)state;
	const struct model_service *ec2 = model_service("ec2");
	bool found = false;

	assert_true(model_service_waiters(ec2) >= 34);
	for (size_t i = 0; i < model_service_waiters(ec2); i++) {
		const struct model_waiter *w = model_waiter_at(ec2, i);

		found = found || strcmp(model_waiter_name(w), "InstanceRunning") == 0;
		assert_ptr_equal(model_operation_service(model_waiter_operation(w)), ec2);
		assert_true(model_waiter_delay(w) > 0 && model_waiter_attempts(w) > 0 && model_waiter_acceptors(w) > 0);
		for (size_t k = 0; k < model_waiter_acceptors(w); k++) {
			const struct model_acceptor *a = model_waiter_acceptor(w, k);
			enum model_match match = model_acceptor_match(a);

			assert_true(*model_acceptor_expected(a) != '\0');
			if (match != MODEL_MATCH_STATUS && match != MODEL_MATCH_ERROR)
				assert_true(*model_acceptor_path(a) != '\0');
		}
	}
	assert_true(found);
	assert_null(model_waiter_at(ec2, model_service_waiters(ec2)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_services), cmocka_unit_test(test_operations),
		cmocka_unit_test(test_waiters),
		cmocka_unit_test(test_members),	 cmocka_unit_test(test_overlay),
		cmocka_unit_test(test_pages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
