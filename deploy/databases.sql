-- PostgreSQL runs this on its first start. The database of the delivery tables is
-- POSTGRES_DB; Dagster's history gets a database of its own.
create database dagster;
