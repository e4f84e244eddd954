package winrm

import (
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
)

const (
	shellNamespace = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell"
	shellURI       = shellNamespace + "/cmd"

	createdBody = `<x:ResourceCreated><a:Address>http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous` +
		`</a:Address><a:ReferenceParameters><w:ResourceURI>%s</w:ResourceURI><w:SelectorSet>` +
		`<w:Selector Name="ShellId">%s</w:Selector></w:SelectorSet></a:ReferenceParameters></x:ResourceCreated>` +
		`<rsp:Shell><rsp:ShellId>%s</rsp:ShellId><rsp:ResourceUri>%s</rsp:ResourceUri></rsp:Shell>`

	envelopeText = `<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"` +
		` xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing"` +
		` xmlns:x="http://schemas.xmlsoap.org/ws/2004/09/transfer"` +
		` xmlns:w="http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd" xmlns:rsp="` + shellNamespace + `">` +
		`<s:Header><a:Action>%s</a:Action><a:MessageID>uuid:%s</a:MessageID><a:RelatesTo>%s</a:RelatesTo></s:Header>` +
		`<s:Body>%s</s:Body></s:Envelope>`

	faultText = `<s:Fault><s:Code><s:Value>s:Receiver</s:Value><s:Subcode><s:Value>w:%s</s:Value></s:Subcode></s:Code>` +
		`<s:Reason><s:Text xml:lang="en-US">%s</s:Text></s:Reason><s:Detail>` +
		`<f:WSManFault xmlns:f="http://schemas.microsoft.com/wbem/wsman/1/wsmanfault" Code="%d" Machine="lab">` +
		`<f:Message>%s</f:Message></f:WSManFault></s:Detail></s:Fault>`
)

// request is what a client sends; elements are matched in any namespace.
type request struct {
	Header struct {
		Action           string
		MessageID        string
		ResourceURI      string
		OperationTimeout string
		Selectors        []struct {
			Name  string `xml:",attr"`
			Value string `xml:",chardata"`
		} `xml:"SelectorSet>Selector"`
	}
	Body struct {
		CommandLine commandLine
		Send        sendBody
		Signal      signalBody
		Receive     struct {
			DesiredStream struct {
				CommandID string `xml:"CommandId,attr"`
			}
		}
	}
}

type commandLine struct {
	Command   string
	Arguments []string
}

type sendBody struct {
	Streams []struct {
		CommandID string `xml:"CommandId,attr"`
		End       string `xml:",attr"`
		Data      string `xml:",chardata"`
	} `xml:"Stream"`
}

type signalBody struct {
	CommandID string `xml:"CommandId,attr"`
	Code      string
}

// fault is an error as clients get it; the codes are winerror.h's.
type fault struct {
	code    uint32
	message string
}

func (f *fault) Error() string { return f.message }

func parseRequest(body []byte) (*request, error) {
	var request request
	if err := xml.Unmarshal(body, &request); err != nil {
		return nil, err
	}
	return &request, nil
}

// verb is the last word of the action, such as Receive.
func (r *request) verb() string {
	return r.Header.Action[strings.LastIndex(r.Header.Action, "/")+1:]
}

func (r *request) shellID() string {
	for _, selector := range r.Header.Selectors {
		if selector.Name == "ShellId" {
			return strings.TrimSpace(selector.Value)
		}
	}
	return ""
}

// operationTimeout reads PT20S, or PT0.5S.
func (r *request) operationTimeout() (time.Duration, error) {
	text := strings.TrimSuffix(strings.TrimPrefix(r.Header.OperationTimeout, "PT"), "S")
	seconds, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return 0, &fault{2150858837, "The OperationTimeout " + r.Header.OperationTimeout + " is not valid."}
	}
	return time.Duration(seconds * float64(time.Second)), nil
}

func (c commandLine) line() string {
	return strings.Join(append([]string{c.Command}, c.Arguments...), " ")
}

// writeAnswer answers with a body, or with a fault.
func writeAnswer(w http.ResponseWriter, request *request, body string, err error) {
	status, action := http.StatusOK, request.Header.Action+"Response"
	if err != nil {
		status, action, body = http.StatusInternalServerError, "http://schemas.dmtf.org/wbem/wsman/1/wsman/fault", faultBody(err)
	}
	w.Header().Set("Content-Type", "application/soap+xml;charset=UTF-8")
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, envelopeText, action, uuid.NewString(), escaped(request.Header.MessageID), body)
}

func faultBody(err error) string {
	fault := &fault{2147942405, err.Error()}
	errors.As(err, &fault)
	subcode := "InternalError"
	if fault.code == 2150858793 {
		subcode = "TimedOut"
	}
	return fmt.Sprintf(faultText, subcode, escaped(fault.message), fault.code, escaped(fault.message))
}

func escaped(text string) string {
	var out strings.Builder
	_ = xml.EscapeText(&out, []byte(text))
	return out.String()
}
