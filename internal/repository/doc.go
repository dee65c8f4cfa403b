// Package repository holds the tests on the repository itself: which package may import which, that the installer
// installs, that the image's program is static, that every system of the list compiles.
package repository
