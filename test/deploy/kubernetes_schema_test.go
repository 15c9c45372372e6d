package deploy

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"sigs.k8s.io/kustomize/kyaml/openapi"
)

// strictSchema is the OpenAPI document of Kubernetes that kustomize brings with it, with every field refused that it does
// not name. It is of 1.21; a kind, once stable, only gains fields, and those that these files use are added here. The
// types of k8s.io/api are the alternative, newer by years, but they know no field that must be there, and cost a build
// twice as long.
func strictSchema(t *testing.T) *jsonschema.Compiler {
	t.Helper()
	content, err := json.Marshal(openapi.Schema())
	if err != nil {
		t.Fatal(err)
	}
	document, err := jsonschema.UnmarshalJSON(strings.NewReader(string(content)))
	if err != nil {
		t.Fatal(err)
	}
	definitions := document.(map[string]any)["definitions"].(map[string]any)
	handler := definitions["io.k8s.api.core.v1.Handler"].(map[string]any)["properties"].(map[string]any)
	handler["sleep"] = map[string]any{ // since 1.30
		"type": "object", "additionalProperties": false, "required": []any{"seconds"},
		"properties": map[string]any{"seconds": map[string]any{"type": "integer"}},
	}
	for _, d := range definitions {
		d := d.(map[string]any)
		if d["format"] == "int-or-string" {
			d["type"] = []any{"integer", "string"}
		}
		if _, open := d["additionalProperties"]; !open && d["properties"] != nil {
			d["additionalProperties"] = false
		}
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("kubernetes.json", document); err != nil {
		t.Fatal(err)
	}
	return compiler
}

// definition names the schemas of the kinds that there are.
var definition = map[string]string{
	"v1/Namespace": "io.k8s.api.core.v1.Namespace", "v1/ConfigMap": "io.k8s.api.core.v1.ConfigMap", "v1/Service": "io.k8s.api.core.v1.Service",
	"apps/v1/Deployment":                 "io.k8s.api.apps.v1.Deployment",
	"policy/v1/PodDisruptionBudget":      "io.k8s.api.policy.v1.PodDisruptionBudget",
	"networking.k8s.io/v1/NetworkPolicy": "io.k8s.api.networking.v1.NetworkPolicy",
}

func TestKubernetesAcceptsEachResource(t *testing.T) {
	compiler := strictSchema(t)
	valid := func(r resource, text string) error {
		t.Helper()
		schema, err := compiler.Compile("kubernetes.json#/definitions/" + definition[r.APIVersion+"/"+r.Kind])
		if err != nil {
			t.Fatalf("%s/%s: %v", r.APIVersion, r.Kind, err)
		}
		v, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		return schema.Validate(v)
	}
	for _, r := range kubernetes(t) {
		if err := valid(r, r.json); err != nil {
			t.Errorf("%s %s: %v", r.Kind, r.Metadata.Name, err)
		}
	}
	// What the check is for.
	api := deployments(t)["slotq-api"]
	for was, becomes := range map[string]string{
		`"livenessProbe":`:               `"livenesProbe":`,
		`"readOnlyRootFilesystem":true`:  `"readonlyRootFilesystem":true`,
		`"sleep":{"seconds":5}`:          `"sleep":{"second":5}`,
		`"replicas":2`:                   `"replicas":"2"`,
		`"topologyKey":`:                 `"topology":`,
		`"containerPort":8080,`:          ``,
		`"whenUnsatisfiable":"Schedule`:  `"whenUnsatisfied":"Schedule`,
		`"terminationGracePeriodSeconds`: `"terminationGraceSeconds`,
	} {
		broken := strings.Replace(api.json, was, becomes, 1)
		if broken == api.json {
			t.Errorf("the api's deployment has no %s: %s", was, api.json)
		} else if valid(api, broken) == nil {
			t.Errorf("%s instead of %s is accepted", becomes, was)
		}
	}
}
