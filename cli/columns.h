/* Which columns a Describe operation shows as a table. */
#ifndef MC_CLI_COLUMNS_H
#define MC_CLI_COLUMNS_H

#define COLUMNS_MAX 12

struct column {
	const char *title, *path; /* "?CostPerHour": a column that is left out where no row has it */
};

struct columns {
	const char *operation; /* "DescribeInstances" */
	const char *rows;      /* path to the rows */
	struct column columns[COLUMNS_MAX + 1]; /* ends with a NULL title */
};

/* The row of an operation, NULL where nothing was chosen for it. */
const struct columns *columns_find(const char *operation);

#endif
