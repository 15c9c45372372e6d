-- +goose Up
-- The other databases get defaults for columns that an INSERT may leave out. SQLite would have to write the table anew for that.

SELECT 1;
