// Package unixsocket opens sockets in folders with paths of any length: that of a socket has
// 107 characters at most.
package unixsocket

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
)

// ErrLink is a socket's name that is a symbolic link.
var ErrLink = errors.New("a symbolic link stands where the socket should be")

// Listen listens on a socket of that name in a folder.
func Listen(folder, name string) (*net.UnixListener, error) {
	directory, err := os.Open(folder)
	if err != nil {
		return nil, err
	}
	defer directory.Close()
	listener, err := net.ListenUnix("unix", address(directory, name))
	if err != nil {
		return nil, err
	}
	listener.SetUnlinkOnClose(false) // that path is another file's by then
	return listener, nil
}

// Dial connects to a socket of that name in a folder. It follows no link: a guest that may
// write to the folder could point one at any socket of this machine.
func Dial(folder, name string) (*net.UnixConn, error) {
	directory, err := os.Open(folder)
	if err != nil {
		return nil, err
	}
	defer directory.Close()
	if info, err := os.Lstat(filepath.Join(folder, name)); err == nil && info.Mode()&os.ModeSymlink != 0 {
		return nil, ErrLink
	}
	return net.DialUnix("unix", nil, address(directory, name))
}

// address leads to the socket by way of its open folder.
func address(directory *os.File, name string) *net.UnixAddr {
	return &net.UnixAddr{Name: fmt.Sprintf("/proc/self/fd/%d/%s", directory.Fd(), name), Net: "unix"}
}
