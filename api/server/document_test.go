package server

import (
	"encoding/json"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/go-chi/chi/v5"

	"github.com/slotq/slotq/shared/clock"
	"github.com/slotq/slotq/shared/wire"
)

func TestTheDocumentAndTheRouterKnowTheSameCalls(t *testing.T) {
	s := New(Options{Clock: clock.New(nil)})
	b, err := s.Document()
	if err != nil {
		t.Fatal(err)
	}
	var document struct {
		Paths map[string]map[string]any
	}
	if err := json.Unmarshal(b, &document); err != nil {
		t.Fatal(err)
	}
	var documented, routed []string
	for path, methods := range document.Paths {
		for method := range methods {
			documented = append(documented, strings.ToUpper(method)+" "+path)
		}
	}
	err = chi.Walk(s.Handler(b, nil).(chi.Routes), func(method, pattern string, _ http.Handler, _ ...func(http.Handler) http.Handler) error {
		if pattern != "/openapi.json" {
			routed = append(routed, method+" "+pattern)
		}
		return nil
	})
	slices.Sort(documented)
	slices.Sort(routed)
	if err != nil || !slices.Equal(documented, routed) {
		t.Errorf("documented %v\nrouted %v\n%v", documented, routed, err)
	}
}

// jsonNames are the members of a type's JSON.
func jsonNames(t reflect.Type) (names []string) {
	for _, f := range reflect.VisibleFields(t) {
		if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name != "-" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func TestTheReaderTakesTheFieldsThatTheTypesHave(t *testing.T) {
	for name, c := range map[string]struct {
		typ  reflect.Type
		read []string
	}{
		"job":     {reflect.TypeFor[wire.NewJob](), slices.Sorted(maps.Keys(specFields))},
		"batch":   {reflect.TypeFor[wire.Batch](), slices.Sorted(maps.Keys(batchFields))},
		"queue":   {reflect.TypeFor[wire.QueueSettings](), slices.Sorted(maps.Keys(queueFields))},
		"action":  {reflect.TypeFor[wire.NewAction](), slices.Sorted(maps.Keys(actionFields))},
		"choice":  {reflect.TypeFor[wire.ActionFilter](), slices.Sorted(maps.Keys(choiceFields))},
		"backoff": {reflect.TypeFor[wire.Backoff](), slices.Sorted(maps.Keys(backoffFields))},
	} {
		if want := jsonNames(c.typ); !slices.Equal(c.read, want) {
			t.Errorf("%s: the server reads %v, the type has %v", name, c.read, want)
		}
	}
}

func TestTheDocumentIsServed(t *testing.T) {
	e := start(t)
	g := e.want(200, "GET", "/openapi.json", "")
	if !strings.HasPrefix(g.header.Get("Content-Type"), "application/json") || !strings.Contains(g.body, `"openapi": "3.1.0"`) {
		t.Errorf("%s %.100s", g.header.Get("Content-Type"), g.body)
	}
}
