/* The tables of billing in the database of record, as upgrades of api/store_db.c run them. */
#ifndef MC_API_BILLING_SCHEMA_H
#define MC_API_BILLING_SCHEMA_H

/* Version 3. What version 1 wrote into its usage_record had been read by nothing yet. */
#define BILLING_SCHEMA \
	"DROP TABLE usage_record;" \
	"CREATE TABLE meter_clock (id INTEGER PRIMARY KEY CHECK (id = 1), boot_id TEXT NOT NULL, boot INTEGER NOT NULL," \
	" meter INTEGER NOT NULL, offset INTEGER NOT NULL, set_by INTEGER NOT NULL, scale INTEGER NOT NULL);" \
	"CREATE TABLE usage_line (id INTEGER PRIMARY KEY, grp INTEGER NOT NULL, account TEXT NOT NULL, region TEXT NOT NULL," \
	" az TEXT NOT NULL, resource TEXT NOT NULL, meter TEXT NOT NULL, type TEXT NOT NULL, quantity INTEGER NOT NULL," \
	" tags TEXT NOT NULL, UNIQUE (resource, meter, type, quantity, az, tags));" \
	"CREATE TABLE usage_open (resource TEXT NOT NULL, meter TEXT NOT NULL, line INTEGER NOT NULL," \
	" started INTEGER NOT NULL, label INTEGER NOT NULL, run INTEGER NOT NULL, PRIMARY KEY (resource, meter)) WITHOUT ROWID;" \
	"CREATE TABLE usage_record (id INTEGER PRIMARY KEY, line INTEGER NOT NULL, label INTEGER NOT NULL, ns INTEGER NOT NULL," \
	" extra INTEGER NOT NULL);" \
	"CREATE INDEX usage_record_label ON usage_record (label);" \
	"CREATE INDEX usage_record_line ON usage_record (line, label);" \
	"CREATE TABLE usage_day (day INTEGER NOT NULL, grp INTEGER NOT NULL, line INTEGER NOT NULL, amount INTEGER NOT NULL," \
	" cost INTEGER NOT NULL, PRIMARY KEY (day, grp, line)) WITHOUT ROWID;" \
	"CREATE TABLE usage_month (month INTEGER NOT NULL, line INTEGER NOT NULL, amount INTEGER NOT NULL," \
	" cost INTEGER NOT NULL, PRIMARY KEY (month, line)) WITHOUT ROWID;" \
	"CREATE TABLE usage_pool (month INTEGER NOT NULL, account TEXT NOT NULL, pool TEXT NOT NULL, used TEXT NOT NULL," \
	" PRIMARY KEY (month, account, pool)) WITHOUT ROWID;" \
	"CREATE TABLE usage_final (id INTEGER PRIMARY KEY CHECK (id = 1), day INTEGER NOT NULL, grp INTEGER NOT NULL);" \
	"INSERT INTO usage_final VALUES (1, -1000000, 0);"

#endif
