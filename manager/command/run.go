package command

import (
	"context"
	"net"
	"time"

	"github.com/slotq/slotq/manager/loops"
	"github.com/slotq/slotq/shared/clock"
	"github.com/slotq/slotq/shared/nudge"
	"github.com/slotq/slotq/shared/service"
	"github.com/slotq/slotq/shared/stats"
	"github.com/slotq/slotq/shared/store"
)

type runCommand struct {
	Listen string `default:"127.0.0.1:8082" placeholder:"ADDR" help:"Serve health and metrics here, unless --ops-listen says otherwise."`
}

// clockEvery is how often the manager asks for the database's time. It decides nothing that a second matters to.
const clockEvery = 30 * time.Second

// run looks after the cluster until ctx ends.
func (r *runCommand) run(ctx context.Context, common *service.Common, p service.Process) error {
	log := common.Logger(p.Stderr)
	// First: a port that is taken is the commonest fault, and says so before a database is touched.
	listener, err := r.listen(ctx, common)
	if err != nil {
		return err
	}
	defer listener.Close() // by then the group has closed it, if it got that far
	registry := service.NewRegistry("manager")
	done, retried := service.DatabaseMetrics(registry, store.RetryReasons())
	s, err := open(ctx, common, store.Options{Connections: common.DatabaseConnections, Observe: store.Observer{Done: done, Retried: retried}})
	if err != nil {
		return err
	}
	clock := clock.New(s.Now)
	if err = store.Prepare(ctx, s, common.Migrate); err == nil {
		err = clock.Sync(ctx)
	}
	if err != nil {
		_ = s.Close() // the fault before is the one to report
		return explain(err, common.DatabaseURL)
	}
	nudges := nudge.NewSender(s.Workers)
	counter := stats.New(s, clock.Now)
	manager := loops.New(loops.Options{
		Store: counter, Now: clock.Now, Lease: common.Lease, Sweep: common.Sweep,
		Log: log, Metrics: loops.NewMetrics(registry), Nudge: nudges.NudgeAll,
	})
	var group service.Group
	group.AddClose("database", s.Close)
	group.Add("clock", func(ctx context.Context) error { clock.Follow(ctx, clockEvery, nil); return nil })
	group.Add("nudges", nudges.Run)
	group.Add("stats", func(ctx context.Context) error { return counter.Run(ctx, common.Heartbeat, log) })
	group.Add("loops", manager.Run)
	group.Add("ops", func(ctx context.Context) error {
		return service.Serve(ctx, service.NewServer(service.NewOpsHandler(registry, func(ctx context.Context) error {
			return common.DatabaseURL.RedactError(manager.Ready(ctx))
		}), log), listener)
	})
	log.Info("the manager runs", "version", service.Version(), "database", common.DatabaseURL, "listen", listener.Addr().String(),
		"lease", common.Lease, "sweep", common.Sweep)
	err = group.Run(ctx)
	log.Info("the manager has stopped")
	return err
}

// listen takes one listener: all that a manager serves is health and metrics, so --ops-listen moves it.
func (r *runCommand) listen(ctx context.Context, common *service.Common) (net.Listener, error) {
	if common.OpsListen != "" {
		return service.Listen(ctx, common.OpsListen, "ops-listen")
	}
	return service.Listen(ctx, r.Listen, "listen")
}
