package server

import (
	"net/http"

	"github.com/slotq/slotq/api/intake"
	"github.com/slotq/slotq/shared/wire"
)

func (s *Server) listKinds(_ http.ResponseWriter, r *http.Request) (answer, error) {
	all, err := s.figures(r.Context(), intake.Limit)
	if err != nil {
		return answer{}, err
	}
	c := all.seen(accessOf(r.Context()))
	tally, capped := c.Kinds(c.workers)
	return answer{status: http.StatusOK, body: wire.KindsOf(tally, c.At, capped)}, nil
}
