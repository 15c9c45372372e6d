// Package deploy tests what the folder deploy ships, without a container engine: the services of docker-compose.yml as
// local processes against a real server, run.sh from a copy of the repository, the systemd units, what kustomize makes of the
// Kubernetes files, dashboards and alerts on a real Prometheus, releases. It tests no behaviour of slotq beyond "a job goes
// through": that is package e2e's.
package deploy
