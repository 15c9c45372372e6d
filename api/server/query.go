package server

import (
	"net/http"
	"net/url"
	"strconv"

	"github.com/slotq/slotq/shared/wire"
)

// parameters reads the query of a request, which was checked before: no unknown name, none twice.
type parameters struct {
	values url.Values
	bad    []wire.FieldError
}

func query(r *http.Request) *parameters { return &parameters{values: r.URL.Query()} }

// text reads a parameter and checks it; one that is not there stays as it was.
func (p *parameters) text(name string, into *string, check func(string) string) {
	if !p.values.Has(name) {
		return
	}
	*into = p.values.Get(name)
	if detail := check(*into); detail != "" {
		p.bad = append(p.bad, wire.FieldError{Parameter: name, Detail: detail})
	}
}

// count reads an integer from 1 to most.
func (p *parameters) count(name string, into *int, most int) {
	var digits string
	p.text(name, &digits, func(v string) (wrong string) {
		n, err := strconv.Atoi(v)
		if err != nil || n < 1 || n > most {
			return "must be an integer from 1 to " + strconv.Itoa(most)
		}
		*into = n
		return ""
	})
}
