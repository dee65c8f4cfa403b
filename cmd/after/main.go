// Command after schedules tasks and runs the workers that execute them.
package main

import "github.com/adlayer/after/cli"

func main() { cli.Main() }
