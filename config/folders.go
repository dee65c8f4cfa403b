package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
)

// DataFolder is where the embedded store keeps its data: store.data, else the user's usual place: $XDG_DATA_HOME or
// ~/.local/share on Linux, ~/Library/Application Support on macOS, %LocalAppData% on Windows.
func (c *Config) DataFolder() (string, error) {
	if c.Store.Data != "" {
		return c.Store.Data, nil
	}
	folder, err := usualPlace("XDG_DATA_HOME", filepath.Join(".local", "share"), "data")
	if err != nil {
		return "", fmt.Errorf("no place for the store's data: %w; set store.data or AFTER_STORE_DATA", err)
	}
	return folder, nil
}

// Relaxed says whether the embedded store answers writes before they are on disk.
func (s Store) Relaxed() bool { return s.Durability == "relaxed" }

// Secure says whether the embedded store speaks https.
func (s Store) Secure() bool { return s.TLS.Certificate != "" }

// StateFolder is where this machine's state lies: state.folder, else the user's usual place: $XDG_STATE_HOME or
// ~/.local/state on Linux, ~/Library/Application Support on macOS, %LocalAppData% on Windows.
func (c *Config) StateFolder() (string, error) {
	if c.State.Folder != "" {
		return c.State.Folder, nil
	}
	folder, err := usualPlace("XDG_STATE_HOME", filepath.Join(".local", "state"), "state")
	if err != nil {
		return "", fmt.Errorf("no place for state: %w; set state.folder or AFTER_STATE_FOLDER", err)
	}
	return folder, nil
}

// usualPlace is <base>/after where the system tells data from state, <base>/after/<below> where it does not.
func usualPlace(variable, xdg, below string) (string, error) {
	switch runtime.GOOS {
	case "windows":
		if base := os.Getenv("LocalAppData"); base != "" {
			return filepath.Join(base, "after", below), nil
		}
		return "", errors.New("%LocalAppData% is not set")
	case "darwin", "ios":
		home, err := os.UserHomeDir()
		if err != nil {
			return "", err
		}
		return filepath.Join(home, "Library", "Application Support", "after", below), nil
	}
	// The XDG specification has relative paths ignored.
	if base := os.Getenv(variable); filepath.IsAbs(base) {
		return filepath.Join(base, "after"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", err
	}
	return filepath.Join(home, xdg, "after"), nil
}
