package cli

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

func newMan() *cobra.Command {
	return &cobra.Command{
		Use:    "man <folder>",
		Short:  "Write the manual pages into a folder",
		Args:   one("the folder"),
		Hidden: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := os.MkdirAll(args[0], 0o755); err != nil { //nolint:gosec // manual pages are for everybody
				return fmt.Errorf("making the folder of the manual: %w", err)
			}
			forMarkdown(cmd.Root())
			header := &doc.GenManHeader{Title: "AFTER", Section: "1", Source: "after " + Version(), Manual: "after"}
			if err := doc.GenManTree(cmd.Root(), header, args[0]); err != nil {
				return fmt.Errorf("writing the manual: %w", err)
			}
			return nil
		},
	}
}

// forMarkdown keeps <name> in the pages, which are made by way of Markdown, where it would be a tag and vanish.
func forMarkdown(cmd *cobra.Command) {
	escape := strings.NewReplacer("<", `\<`, ">", `\>`)
	cmd.Use = escape.Replace(cmd.Use)
	for _, below := range cmd.Commands() {
		forMarkdown(below)
	}
}
