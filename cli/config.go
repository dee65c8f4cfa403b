package cli

import (
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/adlayer/after/config"
)

func newConfig(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Show the configuration in force, and where each value came from",
		Long: `Shows every key of the configuration with its value and its source: the default, a file, a variable. Passwords
are masked. On a terminal it also says which files were looked at.`,
		Example: `  after config
  AFTER_COUCH_DATABASE=other after config --json`,
		Args: none,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.showConfig(cmd) },
	}
	var all []string
	for _, key := range config.Keys() {
		if key.Flag != "" {
			all = append(all, key.Path)
		}
	}
	keyFlags(cmd, all...)
	a.jsonFlag(cmd)
	return cmd
}

func (a *app) showConfig(cmd *cobra.Command) error {
	c, err := a.load(cmd)
	if err != nil {
		return err
	}
	if a.json {
		return a.printJSON(map[string]any{"file": c.File(), "places": c.Candidates(), "settings": c.Settings()})
	}
	if a.terminal {
		for _, place := range c.Candidates() {
			if err := a.write(a.dim(oneLine(place.Path+": "+place.Note)) + "\n"); err != nil {
				return err
			}
		}
	}
	t := &table{headers: []string{"KEY", "VALUE", "FROM"}}
	for _, s := range c.Settings() {
		value, err := json.Marshal(s.Value)
		if err != nil {
			return fmt.Errorf("showing %s: %w", s.Key, err)
		}
		t.add(s.Key, string(value), s.Source)
	}
	return a.printTable(t)
}
