package deploy

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

// resource is what `kubectl apply` would send: JSON, and what the tests read of it.
type resource struct {
	json       string
	APIVersion string
	Kind       string
	Metadata   struct{ Name, Namespace string }
	Spec       struct {
		Selector       json.RawMessage
		Template       podTemplate
		MaxUnavailable any
	}
}

type podTemplate struct {
	Metadata struct{ Labels map[string]string }
	Spec     struct {
		GracePeriod     int `json:"terminationGracePeriodSeconds"`
		SecurityContext struct {
			RunAsNonRoot bool
			RunAsUser    uint32
		}
		Containers []container
	}
}

type container struct {
	Name  string
	Image string
	Args  []string
	Env   []struct {
		Name, Value string
		ValueFrom   struct{ SecretKeyRef struct{ Name, Key string } }
	}
	Ports []struct {
		Name          string
		ContainerPort int
	}
	LivenessProbe   probe
	ReadinessProbe  probe
	SecurityContext struct {
		AllowPrivilegeEscalation *bool
		ReadOnlyRootFilesystem   bool
		Capabilities             struct{ Drop []string }
	}
}

type probe struct{ HTTPGet struct{ Path, Port string } }

// kubernetes is what kustomize makes of deploy/kubernetes.
func kubernetes(t *testing.T) (all []resource) {
	t.Helper()
	built, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), "../../deploy/kubernetes")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range built.Resources() {
		content, err := r.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		one := resource{json: string(content)}
		if err := json.Unmarshal(content, &one); err != nil {
			t.Fatal(err)
		}
		all = append(all, one)
	}
	return all
}

func deployments(t *testing.T) map[string]resource {
	t.Helper()
	found := map[string]resource{}
	for _, r := range kubernetes(t) {
		if r.Kind == "Deployment" {
			found[r.Metadata.Name] = r
		}
	}
	if len(found) != 3 {
		t.Fatalf("deployments %v, want api, worker and manager", found)
	}
	return found
}

func TestKubernetesRunsNothingAsRootOrWithAWritableImage(t *testing.T) {
	for name, d := range deployments(t) {
		pod := d.Spec.Template.Spec
		if !pod.SecurityContext.RunAsNonRoot || pod.SecurityContext.RunAsUser == 0 {
			t.Errorf("%s may run as root: %+v", name, pod.SecurityContext)
		}
		for _, c := range pod.Containers {
			s := c.SecurityContext
			if s.AllowPrivilegeEscalation == nil || *s.AllowPrivilegeEscalation || !s.ReadOnlyRootFilesystem || len(s.Capabilities.Drop) != 1 || s.Capabilities.Drop[0] != "ALL" {
				t.Errorf("%s: container %s: %+v", name, c.Name, s)
			}
		}
	}
	if user := deployments(t)["slotq-worker"].Spec.Template.Spec.SecurityContext.RunAsUser; user != imageUser.Uid {
		t.Errorf("the worker runs as %d, and its image's files are %d's", user, imageUser.Uid)
	}
}

func TestKubernetesBudgetsAndServicesSelectPodsThatThereAre(t *testing.T) {
	budgets, of := 0, deployments(t)
	for _, r := range kubernetes(t) {
		var labels map[string]string
		switch r.Kind {
		case "Service":
			labels = decode[map[string]string](t, r.Spec.Selector)
		case "PodDisruptionBudget", "Deployment":
			labels = decode[struct{ MatchLabels map[string]string }](t, r.Spec.Selector).MatchLabels
		default:
			continue
		}
		pods := of[r.Metadata.Name].Spec.Template.Metadata.Labels
		for name, value := range labels {
			if pods[name] != value {
				t.Errorf("%s %s selects %s=%s; its pods have %v", r.Kind, r.Metadata.Name, name, value, pods)
			}
		}
		if len(labels) == 0 {
			t.Errorf("%s %s selects everything", r.Kind, r.Metadata.Name)
		}
		if r.Kind == "PodDisruptionBudget" {
			budgets++
			if r.Spec.MaxUnavailable != 1.0 {
				t.Errorf("%s allows %v pods to be away, want 1", r.Metadata.Name, r.Spec.MaxUnavailable)
			}
		}
	}
	if budgets != 3 {
		t.Errorf("%d budgets, want one for each deployment", budgets)
	}
}

var portName = regexp.MustCompile(`"(?:port|targetPort)":"([^"]*)"`)

func TestKubernetesServicesAndPoliciesNamePortsThatThereAre(t *testing.T) {
	ports := map[string]bool{}
	for _, d := range deployments(t) {
		for _, c := range d.Spec.Template.Spec.Containers {
			for _, p := range c.Ports {
				ports[p.Name] = true
			}
		}
	}
	for _, r := range kubernetes(t) {
		for _, name := range portName.FindAllStringSubmatch(r.json, -1) {
			if !ports[name[1]] {
				t.Errorf("%s %s names the port %s; there are %v", r.Kind, r.Metadata.Name, name[1], ports)
			}
		}
	}
}

func decode[T any](t *testing.T, content json.RawMessage) (v T) {
	t.Helper()
	if err := json.Unmarshal(content, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestWorkersGetAsLongToDrainEverywhere(t *testing.T) {
	// The drain's default, the default grace of a handler, and a margin to commit in.
	const need = 25 + 5 + 5
	if got := deployments(t)["slotq-worker"].Spec.Template.Spec.GracePeriod; got < need {
		t.Errorf("Kubernetes kills a worker after %d s, want at least %d", got, need)
	}
	if got := compose(t).Services["worker"].StopGracePeriod; got == nil || int(*got/1e9) < need {
		t.Errorf("compose kills a worker after %v, want at least %d s", got, need)
	}
	for _, unit := range []string{"slotq-worker.service", "slotq-worker@.service"} {
		if !strings.Contains(read(t, "../../deploy/systemd/"+unit), "\nTimeoutStopSec=40s\n") {
			t.Errorf("%s does not give 40 s", unit)
		}
	}
}

// TestKubernetesContainersAnswerTheirProbes runs each container's program as its deployment says, on this machine's ports
// and on SQLite.
func TestKubernetesContainersAnswerTheirProbes(t *testing.T) {
	handlers := read(t, "../../deploy/kubernetes/handlers.yaml")
	l := &local{t: t, address: map[string]string{}, workDir: srv(t, handlers)}
	secret := map[string]string{"database-url": "sqlite:data/slotq.db", "token": strings.Repeat("0123456789abcdef", 4)}
	if err := os.WriteFile(filepath.Join(l.workDir, "data", "token"), []byte(secret["token"]), 0o644); err != nil {
		t.Fatal(err)
	}
	l.address["/etc/slotq/worker.yaml"] = "worker.yaml"
	l.address["/run/slotq/token"] = "data/token"
	l.address["$(POD_IP)"] = "127.0.0.1"
	for name, d := range deployments(t) {
		for _, c := range d.Spec.Template.Spec.Containers {
			listen, named := map[string]string{}, map[string]string{}
			for _, p := range c.Ports {
				at := fmt.Sprintf(":%d", p.ContainerPort)
				if listen[at] == "" {
					listen[at] = freeAddress(t)
				}
				named[p.Name] = listen[at]
			}
			env := map[string]string{}
			for _, e := range c.Env {
				env[e.Name] = e.Value
				if ref := e.ValueFrom.SecretKeyRef; ref.Name != "" {
					if ref.Name != "slotq" || secret[ref.Key] == "" {
						t.Errorf("%s: %s is read from %+v, which kustomization.yaml does not tell to make", name, e.Name, ref)
					}
					env[e.Name] = secret[ref.Key]
				}
			}
			l.start(name, c.Args, env, listen)
			for _, p := range []probe{c.LivenessProbe, c.ReadinessProbe} {
				await(t, 60*time.Second, name+" to answer "+p.HTTPGet.Path, func() error { return healthy(t.Context(), named[p.HTTPGet.Port], p.HTTPGet.Path) })
			}
		}
	}
}
