// Command billing is a worker with jobs of its own: all that after can do, and one job more.
package main

import (
	"github.com/adlayer/after/cli"
	"github.com/adlayer/after/jobs"
)

func main() {
	jobs.RegisterTyped("invoice", invoice, jobs.Describe("adds up an order: customer, lines, vat"), jobs.Limit(10))
	cli.Main()
}
