-- +goose Up
-- The other databases get more defaults. SQLite would have to write the table anew for that: its INSERT says them, see insert.go.

SELECT 1;
