package deploy

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/types"
	"go.yaml.in/yaml/v3"
)

func TestPrometheusScrapesEachServiceWhereItServesItsMetrics(t *testing.T) {
	var config struct {
		Global struct {
			ScrapeInterval     string `yaml:"scrape_interval"`
			EvaluationInterval string `yaml:"evaluation_interval"`
		}
		RuleFiles     []string `yaml:"rule_files"`
		ScrapeConfigs []struct {
			JobName string `yaml:"job_name"`
			DNS     []struct {
				Names           []string
				Type            string
				Port            int
				RefreshInterval string `yaml:"refresh_interval"`
			} `yaml:"dns_sd_configs"`
			Static []struct{ Targets []string } `yaml:"static_configs"`
		} `yaml:"scrape_configs"`
	}
	readYAML(t, prometheusDir+"/prometheus.yml", &config)
	scraped := map[string]int{}
	for _, job := range config.ScrapeConfigs {
		for _, sd := range job.DNS {
			if sd.Type != "A" {
				t.Errorf("%s: DNS type %q, want A: a name has an address per replica", job.JobName, sd.Type)
			}
			for _, name := range sd.Names {
				scraped[name] = sd.Port
			}
		}
	}
	project := compose(t)
	for _, name := range []string{"api", "worker", "manager"} {
		flag := "--listen=:"
		if slices.ContainsFunc(project.Services[name].Command, func(arg string) bool { return strings.HasPrefix(arg, "--ops-listen=") }) {
			flag = "--ops-listen=:"
		}
		if want := flag + fmt.Sprint(scraped[name]); !slices.Contains(project.Services[name].Command, want) {
			t.Errorf("%s is scraped at port %d, and its command is %v", name, scraped[name], project.Services[name].Command)
		}
	}
}

func TestGrafanaFindsThePrometheusThatItsDashboardsAsk(t *testing.T) {
	var sources struct {
		Datasources []struct{ UID, Type, URL string }
	}
	if err := yaml.Unmarshal([]byte(read(t, "../../deploy/grafana/provisioning/datasources/prometheus.yml")), &sources); err != nil {
		t.Fatal(err)
	}
	if len(sources.Datasources) != 1 || sources.Datasources[0].URL != "http://prometheus:9090" {
		t.Fatalf("datasources %+v", sources.Datasources)
	}
	uid := fmt.Sprintf(`"uid": %q`, sources.Datasources[0].UID)
	if !strings.Contains(read(t, "../../deploy/grafana/dashboards/overview.json"), uid) {
		t.Errorf("the dashboard does not name the datasource %s", uid)
	}
	var providers struct {
		Providers []struct{ Options struct{ Path string } }
	}
	if err := yaml.Unmarshal([]byte(read(t, "../../deploy/grafana/provisioning/dashboards/slotq.yml")), &providers); err != nil {
		t.Fatal(err)
	}
	path := providers.Providers[0].Options.Path
	if !slices.ContainsFunc(compose(t).Services["grafana"].Volumes, func(v types.ServiceVolumeConfig) bool { return v.Target == path }) {
		t.Errorf("dashboards are looked for in %s, where nothing is mounted", path)
	}
}
