-- +goose Up
-- The other databases get defaults for columns that an INSERT may leave out. SQLite could only by writing the table anew, and
-- binding a column costs it next to nothing.

SELECT 1;
