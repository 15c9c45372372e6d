package service

import (
	"errors"
	"log/slog"
	"net/url"
	"regexp"
	"strings"
)

// DatabaseURL is a database's URL, password included. However it is printed, logged or marshalled, it shows without
// the password; only Reveal gives it away.
type DatabaseURL string

// Reveal returns the URL as it is, for opening the database with and for nothing else.
func (u DatabaseURL) Reveal() string { return string(u) }

// String returns the URL without its password.
func (u DatabaseURL) String() string { return RedactURL(string(u)) }

// GoString keeps %#v from showing the password.
func (u DatabaseURL) GoString() string { return u.String() }

// LogValue keeps the password out of logs.
func (u DatabaseURL) LogValue() slog.Value { return slog.StringValue(u.String()) }

// MarshalText keeps the password out of JSON.
func (u DatabaseURL) MarshalText() ([]byte, error) { return []byte(u.String()), nil }

// WithPassword returns the URL with another password. It fails for a URL without a server, as sqlite's.
func (u DatabaseURL) WithPassword(password string) (DatabaseURL, error) {
	parsed, err := url.Parse(string(u))
	if err != nil {
		return "", u.RedactError(err)
	}
	if parsed.Host == "" {
		return "", errors.New("a password is given for " + u.String() + ", which has no server to send it to: " +
			"leave out --database-password-file")
	}
	parsed.User = url.UserPassword(parsed.User.Username(), password)
	return DatabaseURL(parsed.String()), nil
}

// shortestSecret is the length from which a password is searched for in messages: a shorter one is part of ordinary
// words, and blotting those out would spell it.
const shortestSecret = 4

// RedactError returns err with the URL and its password blotted out of the text. Errors from parsers and drivers quote
// what they were given. errors.Is and errors.As see through it.
func (u DatabaseURL) RedactError(err error) error {
	if err == nil || u == "" {
		return err
	}
	text := err.Error()
	var parse *url.Error
	if errors.As(err, &parse) {
		// The parser's reason quotes pieces, such as an "invalid port" that is the first half of a password.
		text = strings.ReplaceAll(text, parse.Error(),
			RedactURL(parse.URL)+" is no URL: write special characters in a password as %XX, such as %2F for a slash")
	}
	text = strings.ReplaceAll(text, string(u), u.String())
	for _, secret := range u.secrets() {
		text = strings.ReplaceAll(text, secret, redacted)
	}
	// What was cut out of a quoted or changed form of the URL, such as a parser's, still has a URL's shape.
	text = userinfo.ReplaceAllString(text, "${1}"+redacted+"@")
	if text == err.Error() {
		return err
	}
	return &redactedError{text: text, err: err}
}

// secrets returns the password in the forms in which it may turn up.
func (u DatabaseURL) secrets() []string {
	parsed, err := url.Parse(string(u))
	if err != nil {
		return nil
	}
	password, _ := parsed.User.Password()
	if len(password) < shortestSecret {
		return nil
	}
	_, escaped, _ := strings.Cut(parsed.User.String(), ":")
	return []string{password, escaped}
}

type redactedError struct {
	text string
	err  error
}

func (e *redactedError) Error() string { return e.text }
func (e *redactedError) Unwrap() error { return e.err }

const redacted = "***"

var (
	// userinfo is the "user:password@" of a URL inside a longer text, greedy since a password may hold an @.
	userinfo = regexp.MustCompile(`([A-Za-z][A-Za-z0-9+.-]*://[^\s:/@]*:)[^\s]*@`)

	// secretParameter is a password given as a parameter, in a URL's query or in the "host=… password=…" form. A name
	// with a percent sign may spell "password" in disguise.
	secretParameter = regexp.MustCompile(`(?i)((?:^|[?&;\s])[^=&;\s]*(?:pass|pwd|secret|token|key|%)[^=&;\s]*\s*=\s*)('[^']*'|[^&\s]*)`)
)

// RedactURL returns a database URL fit for logs and messages: passwords are replaced by ***. It reads the text, not
// the parsed URL: what does not parse, such as a password with a slash in it, is what gets printed most. In doubt it
// hides too much.
func RedactURL(text string) string {
	text = secretParameter.ReplaceAllString(text, "${1}"+redacted)
	if strings.HasPrefix(text, "sqlite:") {
		return text // a path may hold : and @, and there is no user
	}
	start := 0
	if i := strings.Index(text, "://"); i >= 0 {
		start = i + len("://")
	}
	end := strings.LastIndexByte(text, '@')
	if end < start {
		return text
	}
	colon := strings.IndexByte(text[start:end], ':')
	if colon < 0 {
		return text
	}
	return text[:start+colon+1] + redacted + text[end:]
}
