package wire

import (
	"errors"
	"net/http"
	"testing"

	"github.com/slotq/slotq/shared/job"
)

func TestANameLeadsToNoOtherCall(t *testing.T) {
	var asked []string
	c, err := NewClient("http://api.invalid/under", &http.Client{Transport: transport(func(r *http.Request) (*http.Response, error) {
		asked = append(asked, r.URL.EscapedPath())
		return answer(200, `{}`)()
	})})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"../jobs/x": "..%2Fjobs%2Fx", "a/slots": "a%2Fslots", "a%2fb": "a%252fb", "a?b#c": "a%3Fb%23c"} {
		asked = nil
		if _, err := c.Queue(t.Context(), name); err != nil || len(asked) != 1 || asked[0] != "/under/v1/queues/"+want {
			t.Errorf("queue %q: asked for %v (%v)", name, asked, err)
		}
	}
	for _, name := range []string{"", ".", ".."} {
		asked = nil
		if _, err := c.Queue(t.Context(), name); !errors.Is(err, job.ErrNotFound) || asked != nil {
			t.Errorf("queue %q: asked for %v (%v)", name, asked, err)
		}
	}
}

type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
