package mysql

import (
	"net/url"
	"strings"
	"testing"
)

// FuzzConfig: a database URL becomes the driver's settings as it is meant, or is refused without showing its password.
func FuzzConfig(f *testing.F) {
	for _, raw := range []string{
		"mysql://u:p@127.0.0.1:3306/d", "mysql://u:p@h/d?tls=true", "mysql://u:p@h/d?socket=/run/s", "mysql://u:p%2F%40@[::1]/d", "mysql://", "", "mysql://u:p/q@h/d",
		"mysql://u:\x00@h/d", "mysql://h/a/b", "mysql://h/%ff", "mysql:d", "mysql://h:99999/d",
	} {
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		cfg, err := config(raw)
		u, bad := url.Parse(raw)
		if err != nil {
			if bad != nil && len(raw) > 60 && strings.Contains(err.Error(), raw) {
				t.Fatalf("%q is echoed: %v", raw, err)
			}
			return
		}
		if bad != nil {
			t.Fatalf("%q is taken: %v", raw, bad)
		}
		password, _ := u.User.Password()
		if cfg.User != u.User.Username() || cfg.Passwd != password || cfg.DBName == "" || cfg.DBName != strings.TrimPrefix(u.Path, "/") || cfg.Net != "tcp" && cfg.Net != "unix" {
			t.Fatalf("%q means user %q, password %q, database %q, net %s", raw, cfg.User, cfg.Passwd, cfg.DBName, cfg.Net)
		}
		if !cfg.ClientFoundRows || !cfg.InterpolateParams || cfg.AllowAllFiles || !cfg.MultiStatements || cfg.AllowCleartextPasswords {
			t.Fatalf("%q changes settings that it must not: %+v", raw, cfg)
		}
	})
}
