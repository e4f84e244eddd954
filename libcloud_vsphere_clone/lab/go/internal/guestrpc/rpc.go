package guestrpc

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"

	"vsphere-lab/internal/inventory"
)

const (
	// rpcLimit is the longest message that a VMX takes ("GuestRPC", 64 KiB).
	rpcLimit = 64 << 10
	// guestInfoLimit is what all guestinfo values of a VM may take together.
	// tools.setInfo.sizeLimit: "the default size is 1 MB".
	guestInfoLimit = 1 << 20
	rpcTimeout     = 10 * time.Second
	guestInfo      = "guestinfo."
)

var (
	errUnknownCommand = errors.New("Unknown command")
	errNoValue        = errors.New("No value found")
	errRefused        = errors.New("Permission denied")
	errTooLong        = errors.New("Value too long")
)

// answer answers one message as the VMX does: "1 " and the result, or "0 " and what is wrong.
func (c *Channels) answer(connection net.Conn, instanceUUID string) {
	defer connection.Close()
	_ = connection.SetDeadline(time.Now().Add(rpcTimeout))
	message, err := io.ReadAll(io.LimitReader(connection, rpcLimit+1))
	if err != nil {
		return
	}
	reply, result := "0 ", ""
	switch vm := inventory.FindVM(c.newContext().Map, instanceUUID); {
	case len(message) > rpcLimit:
		_, _ = io.Copy(io.Discard, connection) // the guest reads no answer before it has sent all
		result = errTooLong.Error()
	case vm == nil:
		result = errNoValue.Error() // the VM is being made or removed
	default:
		if result, err = c.call(vm, string(message)); err != nil {
			result = err.Error()
		} else {
			reply = "1 "
		}
	}
	// Anew: the VM may have been busy for long, with the very power-on that this guest comes from.
	_ = connection.SetDeadline(time.Now().Add(rpcTimeout))
	_, _ = io.WriteString(connection, reply+result)
}

// call carries out one message of a guest.
//
// Of VMware's GuestRPC it knows "info-get KEY" and "info-set KEY VALUE", for
// keys under guestinfo. ("guestinfo variables", Guest SDK).
func (c *Channels) call(vm *simulator.VirtualMachine, message string) (result string, err error) {
	verb, rest, _ := strings.Cut(message, " ")
	key, value, _ := strings.Cut(rest, " ")
	if (verb != "info-get" && verb != "info-set") || !strings.HasPrefix(key, guestInfo) || key == guestInfo {
		return "", errUnknownCommand
	}
	ctx := c.newContext()
	ctx.WithLock(vm, func() {
		if verb == "info-get" {
			result, err = infoGet(vm, key)
		} else {
			err = infoSet(ctx, vm, key, value)
		}
	})
	return result, err
}

func infoGet(vm *simulator.VirtualMachine, key string) (string, error) {
	value := inventory.OptionText(vm.Config.ExtraConfig, key)
	if value == "" {
		return "", errNoValue
	}
	return value, nil
}

// checkInfoSet refuses a value that is too long, or any.
//
// isolation.tools.setInfo.disable: guests may not write ("vSphere Security
// Configuration Guide", VM hardening).
func checkInfoSet(options []types.BaseOptionValue, key, value string) error {
	taken := len(key) + len(value)
	for _, option := range options {
		other := option.GetOptionValue()
		text, _ := other.Value.(string)
		switch {
		case strings.EqualFold(other.Key, "isolation.tools.setInfo.disable"):
			if disabled, _ := strconv.ParseBool(strings.ToLower(text)); disabled {
				return errRefused
			}
		case other.Key != key && strings.HasPrefix(other.Key, guestInfo):
			taken += len(other.Key) + len(text)
		}
	}
	if taken > guestInfoLimit {
		return errTooLong
	}
	return nil
}

// infoSet changes a key and notifies watchers.
func infoSet(ctx *simulator.Context, vm *simulator.VirtualMachine, key, value string) error {
	if err := checkInfoSet(vm.Config.ExtraConfig, key, value); err != nil {
		return err
	}
	var options []types.BaseOptionValue // a new list: the old one may be being read
	operation := types.PropertyChangeOpAdd
	for _, option := range vm.Config.ExtraConfig {
		if option.GetOptionValue().Key == key {
			operation = types.PropertyChangeOpAssign
			continue
		}
		options = append(options, option)
	}
	set := &types.OptionValue{Key: key, Value: value}
	options = append(options, set)
	vm.Config.ExtraConfig = options
	ctx.Update(vm, []types.PropertyChange{
		{Name: fmt.Sprintf("config.extraConfig[%q]", key), Val: set, Op: operation},
		{Name: "config.extraConfig", Val: options},
	})
	return nil
}
