-- The first start of PostgreSQL: beside the delivery tables, Dagster's own history.
create database dagster;
