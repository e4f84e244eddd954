// Package soap reads SOAP calls from outside, and writes replies of the lab's own.
package soap

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"net/http"
	"reflect"

	vimxml "github.com/vmware/govmomi/vim25/xml"

	"github.com/vmware/govmomi/vim25/types"
)

// Call is what a request is about, read without decoding all of it.
type Call struct {
	Method string
	Object types.ManagedObjectReference
}

// ParseCall finds the method and the object it is called on.
func ParseCall(body []byte) (Call, bool) {
	var call Call
	decoder := xml.NewDecoder(bytes.NewReader(body))
	inBody := false
	for {
		token, err := decoder.Token()
		if err != nil {
			return call, call.Method != ""
		}
		start, ok := token.(xml.StartElement)
		switch {
		case !ok:
		case inBody && call.Method == "":
			call.Method = start.Name.Local
		case call.Method != "":
			if start.Name.Local == "_this" {
				_ = decoder.DecodeElement(&call.Object.Value, &start)
				call.Object.Type = attribute(start, "type")
			}
			return call, true
		case start.Name.Local == "Body":
			inBody = true
		}
	}
}

func attribute(element xml.StartElement, name string) string {
	for _, attribute := range element.Attr {
		if attribute.Name.Local == name {
			return attribute.Value
		}
	}
	return ""
}

// envelope wraps what goes into the SOAP body.
type envelope struct {
	XMLName vimxml.Name `xml:"soapenv:Envelope"`
	Env     string      `xml:"xmlns:soapenv,attr"`
	XSD     string      `xml:"xmlns:xsd,attr"`
	XSI     string      `xml:"xmlns:xsi,attr"`
	Body    any         `xml:"soapenv:Body"`
}

type faultBody struct {
	Fault soapFault `xml:"soapenv:Fault"`
}

type soapFault struct {
	Code   string `xml:"faultcode"`
	String string `xml:"faultstring"`
	Detail struct {
		Fault faultDetail
	} `xml:"detail"`
}

// faultDetail is named after its fault: <NoPermissionFault xsi:type="NoPermission">.
type faultDetail struct {
	fault types.BaseMethodFault
}

// MarshalXML gives the element the name and the type that vCenter gives it.
func (d faultDetail) MarshalXML(encoder *vimxml.Encoder, start vimxml.StartElement) error {
	kind := reflect.TypeOf(d.fault).Elem().Name()
	start.Name.Local = kind + "Fault"
	start.Attr = []vimxml.Attr{
		{Name: vimxml.Name{Local: "xmlns"}, Value: "urn:vim25"},
		{Name: vimxml.Name{Local: "xsi:type"}, Value: kind},
	}
	return encoder.EncodeElement(d.fault, start)
}

// WriteFault answers a call with a fault.
func WriteFault(w http.ResponseWriter, message string, fault types.BaseMethodFault) {
	body := faultBody{Fault: soapFault{Code: "ServerFaultCode", String: message}}
	body.Fault.Detail.Fault.fault = fault
	writeEnvelope(w, http.StatusInternalServerError, body)
}

// WriteReturn answers a call with a reference, such as a task, or with nothing.
func WriteReturn(w http.ResponseWriter, method string, ref *types.ManagedObjectReference) {
	returnValue := ""
	if ref != nil {
		returnValue = fmt.Sprintf(`<returnval type="%s">%s</returnval>`, ref.Type, ref.Value)
	}
	writeEnvelope(w, http.StatusOK, struct {
		Inner string `xml:",innerxml"`
	}{fmt.Sprintf(`<%[1]sResponse xmlns="urn:vim25">%[2]s</%[1]sResponse>`, method, returnValue)})
}

// writeEnvelope sends a reply of the lab's own.
func writeEnvelope(w http.ResponseWriter, status int, body any) {
	var out bytes.Buffer
	out.WriteString(xml.Header)
	err := vimxml.NewEncoder(&out).Encode(&envelope{
		Env:  "http://schemas.xmlsoap.org/soap/envelope/",
		XSD:  "http://www.w3.org/2001/XMLSchema",
		XSI:  "http://www.w3.org/2001/XMLSchema-instance",
		Body: body,
	})
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/xml; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(out.Bytes())
}
