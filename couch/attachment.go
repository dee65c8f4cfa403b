package couch

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
)

// Attachment reads an attachment of a document's winning revision as a stream. The caller closes it; the context has to last until then. A
// missing document or attachment is an error for which [IsNotFound] is true.
func (d *Database) Attachment(ctx context.Context, id, name string) (io.ReadCloser, error) {
	op := "reading attachment " + name + " of document " + id + " of " + d.name
	response, release, err := d.client.send(ctx, call{op: op, method: http.MethodGet, path: d.document(id) + "/" + escapeSegment(name)})
	if err != nil {
		return nil, err
	}
	if response.StatusCode >= http.StatusMultipleChoices {
		defer release()
		defer response.Body.Close() //nolint:errcheck // nothing is lost: the answer is an error
		return nil, refusal(op, response)
	}
	return attachment{response.Body, release}, nil
}

// attachment is an answer's body that gives back the request's resources when it is closed.
type attachment struct {
	io.ReadCloser

	release func()
}

func (a attachment) Close() error {
	err := a.ReadCloser.Close()
	a.release()
	return err
}

// stream is a request body that is read while it is sent.
type stream struct {
	kind   string
	open   func() io.Reader
	length int64
}

// PutAttached writes a document and its attachment in one request: the server has both, or neither. The document has the attachment in its
// _attachments as one that "follows", with its length. open reads it from its beginning; it may be asked several times, and what it gave may still be
// read for a moment when PutAttached has returned.
func (d *Database) PutAttached(ctx context.Context, id string, doc []byte, open func() io.Reader, length int64) (rev string, err error) {
	boundary := rand.Text() // nobody can have it in what is sent
	head := fmt.Appendf(nil, "--%s\r\nContent-Type: application/json\r\n\r\n%s\r\n--%[1]s\r\n\r\n", boundary, doc)
	tail := fmt.Appendf(nil, "\r\n--%s--", boundary)
	return d.write(ctx, call{op: d.about("writing", id), method: http.MethodPut, path: d.document(id), stream: &stream{
		kind: `multipart/related; boundary="` + boundary + `"`,
		open: func() io.Reader {
			return io.MultiReader(bytes.NewReader(head), open(), bytes.NewReader(tail))
		},
		length: int64(len(head)) + length + int64(len(tail)),
	}})
}
