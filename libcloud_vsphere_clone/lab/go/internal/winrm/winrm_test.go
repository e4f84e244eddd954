package winrm

import (
	"context"
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"
)

// startCommand runs a line by /bin/sh in a shell of its own.
func startCommand(t *testing.T, line string) (*shell, string) {
	t.Helper()
	shell := &shell{commands: map[string]*command{}}
	t.Cleanup(shell.close)
	answer, err := shell.start([]string{"/bin/sh", "-c"}, line)
	if err != nil {
		t.Fatal(err)
	}
	return shell, regexp.MustCompile(`<rsp:CommandId>([^<]*)</`).FindStringSubmatch(answer)[1]
}

func TestWinRMReceiveTimesOut(t *testing.T) {
	shell, id := startCommand(t, "sleep 60")
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	_, err := shell.receive(ctx, id)
	var fault *fault
	if !errors.As(err, &fault) || fault.code != 2150858793 {
		t.Errorf("got %v", err)
	}
}

func TestWinRMExitCodeComesLast(t *testing.T) {
	shell, id := startCommand(t, "head -c 100000 /dev/zero; exit 7")
	for parts := 0; ; parts++ { // as many as the machine's load has it: each takes what has come so far
		answer, err := shell.receive(context.Background(), id)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(answer, "CommandState/Done") {
			continue
		}
		if parts == 0 || !strings.Contains(answer, "<rsp:ExitCode>7</rsp:ExitCode>") {
			t.Errorf("after %d parts: %s", parts, answer)
		}
		return
	}
}

func TestWinRMTerminateEndsAllOfACommand(t *testing.T) {
	shell, id := startCommand(t, "sleep 60 & wait")
	command, _ := shell.find(id)
	if _, err := shell.signal(signalBody{CommandID: id, Code: shellNamespace + "/signal/Terminate"}); err != nil {
		t.Fatal(err)
	}
	for !command.ended() {
		time.Sleep(time.Millisecond)
	}
	if _, err := shell.find(id); err == nil {
		t.Error("it is still known")
	}
}

func TestWinRMRequest(t *testing.T) {
	request, err := parseRequest([]byte(`<s:Envelope xmlns:s="s" xmlns:w="w"><s:Header><a:Action xmlns:a="a">x/shell/Command` +
		`</a:Action><w:OperationTimeout>PT0.5S</w:OperationTimeout><w:SelectorSet><w:Selector Name="ShellId">ID</w:Selector>` +
		`</w:SelectorSet></s:Header><s:Body><w:CommandLine><w:Command>a</w:Command><w:Arguments>b</w:Arguments>` +
		`<w:Arguments>c</w:Arguments></w:CommandLine></s:Body></s:Envelope>`))
	if err != nil {
		t.Fatal(err)
	}
	wait, _ := request.operationTimeout()
	if request.verb() != "Command" || request.shellID() != "ID" || request.Body.CommandLine.line() != "a b c" ||
		wait != 500*time.Millisecond {
		t.Errorf("got %+v", request)
	}
}
