package server

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/wire"
)

// keyHeader is the header that makes a POST safe to send again.
const keyHeader = "Idempotency-Key"

// idempotencyKey reads the header: a string of RFC 8941, or the key as it is; "" = none was sent.
func idempotencyKey(r *http.Request) (string, error) {
	values := r.Header.Values(keyHeader)
	if len(values) == 0 {
		return "", nil
	}
	wrong := func(detail string) error {
		return wire.NewProblem(wire.CodeInvalid, "", wire.FieldError{Header: keyHeader, Detail: detail})
	}
	if len(values) > 1 {
		return "", wrong("is given twice")
	}
	key := strings.Trim(values[0], " \t")
	if strings.HasPrefix(key, `"`) {
		var ok bool
		if key, ok = unquote(key); !ok {
			return "", wrong(`begins with a quote but is no quoted string: write "…" with \" and \\ inside, or leave the quotes out`)
		}
	}
	if detail := job.CheckKey(key); detail != "" {
		return "", wrong(detail)
	}
	return key, nil
}

// unquote reads a string of RFC 8941, section 3.3.3.
func unquote(s string) (string, bool) {
	if len(s) < 2 || s[len(s)-1] != '"' {
		return "", false
	}
	var out strings.Builder
	in := s[1 : len(s)-1]
	for i := 0; i < len(in); i++ {
		switch ch := in[i]; {
		case ch == '\\':
			i++
			if i == len(in) || in[i] != '"' && in[i] != '\\' {
				return "", false
			}
		case ch == '"' || ch < 0x20 || ch > 0x7e:
			return "", false
		}
		out.WriteByte(in[i])
	}
	return out.String(), true
}

// itemKey is the key of one job of a batch that was sent with a key.
func itemKey(key string, index int) string {
	if key == "" {
		return ""
	}
	item := key + "#" + strconv.Itoa(index)
	if len(item) > job.MaxKey {
		sum := sha256.Sum256([]byte(key))
		item = "sha256:" + hex.EncodeToString(sum[:]) + "#" + strconv.Itoa(index)
	}
	return item
}
