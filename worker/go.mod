module github.com/slotq/slotq/worker

go 1.26.8

require github.com/slotq/slotq/shared v0.0.0

require (
	github.com/alecthomas/kong v1.17.0 // indirect
	go.uber.org/goleak v1.3.0 // indirect
	go.yaml.in/yaml/v3 v3.0.6 // indirect
	golang.org/x/sync v0.24.0 // indirect
	golang.org/x/sys v0.49.0 // indirect
)

replace github.com/slotq/slotq/shared => ../shared
