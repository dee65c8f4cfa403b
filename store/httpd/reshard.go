package httpd

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/adlayer/after/store"
)

// reshardState is whether shards may be split, which nobody does here. It is kept as CouchDB keeps it.
type reshardState struct {
	State  string  `json:"state"`
	Reason *string `json:"reason"`
}

// reshardSetting is where the store keeps it.
const reshardSetting = "reshard-state"

func (s *Server) reshardState() (reshardState, error) {
	state := reshardState{State: "running"}
	raw, err := s.store.Setting(reshardSetting)
	if err == nil && raw != nil {
		err = json.Unmarshal(raw, &state)
	}
	return state, err
}

// reshard answers as a node on which no shards are being split.
func (c *call) reshard() error {
	if err := c.needAdmin(); err != nil {
		return err
	}
	path := c.path[1:]
	switch {
	case len(path) == 0:
		return c.reshardSummary()
	case path[0] == "state" && len(path) == 1:
		return c.reshardSwitch()
	case path[0] != "jobs":
	case len(path) == 1:
		if err := c.allow(http.MethodGet, http.MethodHead, http.MethodPost); err != nil {
			return err
		}
		if c.r.Method == http.MethodPost {
			return store.NotImplemented("Splitting shards (_reshard/jobs)")
		}
		return c.answer(http.StatusOK, []byte(`{"total_rows":0,"offset":0,"jobs":[]}`))
	case len(path) == 2:
		if err := c.allow(http.MethodGet, http.MethodHead, http.MethodDelete); err != nil {
			return err
		}
	case len(path) == 3 && path[2] == "state":
		if err := c.allow(http.MethodGet, http.MethodHead, http.MethodPut); err != nil {
			return err
		}
	}
	return missingPath()
}

func (c *call) reshardSummary() error {
	if err := c.allow(http.MethodGet, http.MethodHead); err != nil {
		return err
	}
	state, err := c.s.reshardState()
	if err != nil {
		return err
	}
	return c.answerValue(map[string]any{
		"state": state.State, "state_reason": state.Reason, "completed": 0, "failed": 0, "running": 0, "stopped": 0, "total": 0,
	})
}

// reshardSwitch shows and sets the state.
func (c *call) reshardSwitch() error {
	if err := c.allow(http.MethodGet, http.MethodHead, http.MethodPut); err != nil {
		return err
	}
	if c.r.Method != http.MethodPut {
		state, err := c.s.reshardState()
		if err != nil {
			return err
		}
		return c.answerValue(state)
	}
	if err := c.wantJSON(); err != nil {
		return err
	}
	members, err := c.object(false)
	if err != nil {
		return err
	}
	if members["state"] == nil {
		return store.BadRequest("Expected a `state` field")
	}
	var state reshardState
	if json.Unmarshal(members["state"], &state.State) != nil || state.State != "running" && state.State != "stopped" {
		return store.BadRequest("State field not `running` or `stopped`")
	}
	if state.State == "stopped" {
		reason := "Shard splitting stopped on the cluster by user"
		if given := members["reason"]; given != nil && json.Unmarshal(given, &reason) != nil {
			reason = strings.TrimSpace(string(given))
		}
		state.Reason = &reason
	}
	raw, err := json.Marshal(state)
	if err == nil {
		err = c.s.store.SetSetting(c.ctx(), reshardSetting, raw)
	}
	if err != nil {
		return err
	}
	return c.ok()
}
