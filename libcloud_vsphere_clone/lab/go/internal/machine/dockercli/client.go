// Package dockercli lets the simulator run machines: it answers the docker commands by which
// the simulator does that.
//
// The simulator runs the program "docker" that is first on its PATH. The lab's own program
// stands there under this name: Run hands its arguments to the lab, and Server carries them
// out on machines, whatever these are.
package dockercli

import (
	"encoding/json"
	"fmt"
	"io"
	"os"

	"vsphere-lab/internal/unixsocket"
)

const (
	// Program is the name under which the simulator calls the lab's program.
	Program = "docker"
	// FolderVariable is the environment variable with the folder of the server's socket.
	FolderVariable = "LAB_DOCKER_FOLDER"

	socket = "socket"
	// cannotRun is docker's exit status for failures of docker itself.
	cannotRun = 125
)

// reply is a part of the answer to a command; the last one has the exit status.
type reply struct {
	Stdout string
	Stderr string
	Exit   *int
}

// Run has a server carry out one command, and returns its exit status.
func Run(arguments []string, stdout, stderr io.Writer) int {
	status, err := forward(arguments, stdout, stderr)
	if err != nil {
		fmt.Fprintln(stderr, "the lab does not answer:", err)
		return cannotRun
	}
	return status
}

func forward(arguments []string, stdout, stderr io.Writer) (int, error) {
	connection, err := unixsocket.Dial(os.Getenv(FolderVariable), socket)
	if err != nil {
		return 0, err
	}
	defer connection.Close()
	if err := json.NewEncoder(connection).Encode(arguments); err != nil {
		return 0, err
	}
	for decoder := json.NewDecoder(connection); ; {
		var part reply
		if err := decoder.Decode(&part); err != nil {
			return 0, err
		}
		_, _ = io.WriteString(stdout, part.Stdout)
		_, _ = io.WriteString(stderr, part.Stderr)
		if part.Exit != nil {
			return *part.Exit, nil
		}
	}
}
