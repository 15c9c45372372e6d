package executor

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Secrets are the keys that a request is signed with: one, or during a rotation several, each of which gives a
// signature of its own. They print as nothing.
type Secrets struct{ keys [][]byte }

// String hides the keys.
func (s Secrets) String() string { return fmt.Sprintf("%d secrets", len(s.keys)) }

// GoString hides the keys.
func (s Secrets) GoString() string { return s.String() }

const secretPrefix = "whsec_"

// ParseSecrets reads one or more secrets, separated by spaces or commas: each "whsec_" and base64 as Standard Webhooks
// has it, or the key's own bytes.
func ParseSecrets(text string) (Secrets, error) {
	var s Secrets
	for _, word := range strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' || r == '\n' || r == '\t' || r == '\r' }) {
		key := []byte(word)
		if coded, ok := strings.CutPrefix(word, secretPrefix); ok {
			var err error
			if key, err = base64.StdEncoding.DecodeString(coded); err != nil {
				return Secrets{}, errors.New("what follows whsec_ is not base64") // not err: it tells a part of the secret
			}
		}
		if len(key) == 0 {
			return Secrets{}, errors.New("a secret is empty")
		}
		s.keys = append(s.keys, key)
	}
	if len(s.keys) == 0 {
		return Secrets{}, errors.New("no secret is given")
	}
	return s, nil
}

// sign returns the timestamp and signature headers of Standard Webhooks for a message.
func (s Secrets) sign(id string, at time.Time, body []byte) (timestamp, signature string) {
	timestamp = strconv.FormatInt(at.Unix(), 10)
	var all []string
	for _, key := range s.keys {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(id + "." + timestamp + "."))
		mac.Write(body)
		all = append(all, "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	}
	return timestamp, strings.Join(all, " ")
}
