package dbserver

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"fmt"
	"net/url"
	"time"

	"github.com/go-sql-driver/mysql"
	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
)

// dropLimit bounds how long dropping a database may take: a test may have left a transaction open in it.
const dropLimit = 10 * time.Second

// Fresh makes a new empty database on the server that serverURL (mysql:// or postgres://) leads to, whatever database
// that names, and returns its URL and a function that drops it again. Its user must be allowed to create databases. A
// drop that fails leaves the database to the end of the server.
func Fresh(ctx context.Context, serverURL string) (freshURL string, drop func(), err error) {
	db, parsed, err := open(serverURL)
	if err != nil {
		return "", nil, err
	}
	defer db.Close()
	var random [8]byte
	_, _ = rand.Read(random[:]) // never fails
	name := "slotq_test_" + hex.EncodeToString(random[:])
	if _, err := db.ExecContext(ctx, "CREATE DATABASE "+name); err != nil {
		return "", nil, fmt.Errorf("create a database for a test: %w", err)
	}
	statement := "DROP DATABASE IF EXISTS " + name
	if parsed.Scheme == "postgres" {
		statement += " WITH (FORCE)"
	}
	parsed.Path = "/" + name
	return parsed.String(), func() {
		ctx, cancel := context.WithTimeout(context.Background(), dropLimit)
		defer cancel()
		db, _, err := open(serverURL)
		if err != nil {
			return
		}
		defer db.Close()
		_, _ = db.ExecContext(ctx, statement)
	}, nil
}

// Open opens a slotq URL (mysql:// or postgres://) with its driver and nothing else, for looking at what is there. Close
// must be called.
func Open(url string) (*sql.DB, error) {
	db, _, err := open(url)
	return db, err
}

// open opens a slotq URL with its driver, without any of the settings that the stores need: what it is used for works
// on any server. Nothing is sent yet.
func open(text string) (*sql.DB, *url.URL, error) {
	parsed, err := url.Parse(text)
	if err != nil {
		return nil, nil, fmt.Errorf("the server's URL does not parse; in a password write special characters as %%XX")
	}
	switch parsed.Scheme {
	case "postgres", "postgresql":
		parsed.Scheme = "postgres"
		db, err := sql.Open("pgx", parsed.String())
		return db, parsed, err
	case "mysql", "mariadb":
		config := mysql.NewConfig()
		config.User = parsed.User.Username()
		config.Passwd, _ = parsed.User.Password()
		config.Net, config.Addr = "tcp", parsed.Host
		if len(parsed.Path) > 1 {
			config.DBName = parsed.Path[1:]
		}
		config.Timeout = dropLimit
		config.Logger = &mysql.NopLogger{} // a server that is not up yet is no news
		connector, err := mysql.NewConnector(config)
		if err != nil {
			return nil, nil, err
		}
		return sql.OpenDB(connector), parsed, nil
	}
	return nil, nil, fmt.Errorf("%q is no server's URL: want mysql:// or postgres://", parsed.Redacted())
}
