package config

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// readSecrets moves user and password out of the address and reads the files that hold passwords.
func (c *Config) readSecrets(l *loader) error {
	u, err := url.Parse(c.Couch.URL)
	if err != nil {
		return errors.New("couch.url is no address") // it was checked before; its error would show the password
	}
	if c.Couch.User == "" {
		c.Couch.User = u.User.Username()
	}
	if password, has := u.User.Password(); has && c.Couch.Password == "" && c.Couch.User == u.User.Username() {
		c.Couch.Password = password
	}
	u.User = nil
	c.Couch.URL = strings.TrimRight(u.String(), "/")
	if c.Couch.PasswordFile != "" {
		password, err := firstLine(c.Couch.PasswordFile)
		if err != nil {
			return fmt.Errorf("%s: couch.password_file: %w", l.sources["couch.password_file"], err)
		}
		c.Couch.Password = password
	}
	if c.Couch.Password != "" && c.Couch.User == "" {
		return errors.New("there is a password but no user: set couch.user, or write it into couch.url")
	}
	if c.Store.AdminsFile == "" {
		return nil
	}
	return c.readAdmins(l.sources["store.admins_file"])
}

func (c *Config) readAdmins(source string) error {
	content, err := readBounded(c.Store.AdminsFile)
	if err != nil {
		return fmt.Errorf("%s: store.admins_file: %w", source, err)
	}
	admins := map[string]string{}
	for i, line := range strings.Split(string(content), "\n") {
		line = strings.TrimSuffix(line, "\r")
		if strings.TrimSpace(line) == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, password, found := strings.Cut(line, ":")
		if !found {
			return fmt.Errorf("%s:%d: must be name:password", c.Store.AdminsFile, i+1)
		}
		admins[name] = password
	}
	if err := checkAdmins(admins); err != nil {
		return fmt.Errorf("%s: store.admins_file %w", c.Store.AdminsFile, err)
	}
	c.Store.Admins = admins
	return nil
}
