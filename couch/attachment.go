package couch

import (
	"context"
	"io"
	"net/http"
	"net/url"
)

// Attachment reads an attachment of a document's winning revision as a stream. The caller closes it; the context has to last until then. A
// missing document or attachment is an error for which [IsNotFound] is true.
func (d *Database) Attachment(ctx context.Context, id, name string) (io.ReadCloser, error) {
	op := "reading attachment " + name + " of document " + id + " of " + d.name
	response, release, err := d.client.send(ctx, call{op: op, method: http.MethodGet, path: d.document(id) + "/" + url.PathEscape(name)})
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
