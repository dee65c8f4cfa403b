package replicate

import (
	"context"
	"crypto/md5" //nolint:gosec // a name, no secret
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/adlayer/after/store"
)

// names of a replication.
type names struct {
	base  string // of its checkpoints
	whole string // of the replication itself
	what  string // what it does, for whomever
}

// names names a replication. Who asked is a part of it: what others may read and write says nothing of what this one may.
func (r *Request) names(ctx context.Context, uuid string) (n names, err error) {
	var code json.RawMessage
	if r.Filter != "" {
		if code, err = r.filterCode(ctx); err != nil {
			return n, err
		}
	}
	ids := slices.Sorted(slices.Values(r.DocIDs))
	raw, err := json.Marshal([]any{
		idVersion, uuid, r.Source.identity(), r.Target.identity(), r.ByID, ids, r.Selector, r.Filter, code, r.QueryParams, r.WinningOnly,
		r.Since,
	})
	if err != nil {
		return n, err
	}
	how := ""
	if r.Continuous {
		how += "+continuous"
	}
	if r.CreateTarget {
		how += "+create_target"
	}
	n.base = digest(append(raw, r.User...))
	n.whole, n.what = n.base+how, digest(raw)+how
	return n, nil
}

func digest(raw []byte) string {
	sum := md5.Sum(raw) //nolint:gosec // a name
	return hex.EncodeToString(sum[:])
}

// identity says which database an end is, and for whom. A password is no part of it.
func (e *Endpoint) identity() []string {
	if e.Name != "" {
		return []string{"local", e.Name}
	}
	out := []string{"remote", e.URL, e.User}
	for name, values := range e.Header {
		if name != "Authorization" {
			out = append(out, name+": "+strings.Join(values, ","))
		}
	}
	slices.Sort(out[3:])
	return out
}

// filterCode reads the filter function from the source: another function under the same name is another replication.
func (r *Request) filterCode(ctx context.Context) (json.RawMessage, error) {
	if r.Filter[0] == '_' { // one of the source's own
		return nil, nil
	}
	design, name, ok := strings.Cut(r.Filter, "/")
	if !ok || design == "" || name == "" {
		return nil, filterError("Invalid filter. Must match `ddocname/filtername`.")
	}
	source := newPeer(r.Source, r)
	defer source.close()
	var doc struct {
		Filters map[string]json.RawMessage `json:"filters"`
	}
	err := source.do(ctx, ask{method: http.MethodGet, path: docPath("_design/" + design), read: into(&doc)})
	switch statusOf(err) {
	case http.StatusNotFound:
		return nil, filterError(fmt.Sprintf("Couldn't open document `_design/%s` from source database `%s`: `not_found`", design, source.URL))
	case http.StatusUnauthorized, http.StatusForbidden:
		return nil, source.cannotOpen(err)
	}
	if err != nil {
		return nil, err
	}
	code, ok := doc.Filters[name]
	if !ok {
		return nil, filterError(fmt.Sprintf("The document `_design/%s` of source database `%s` has no filter `%s`", design, source.URL, name))
	}
	return code, nil
}

func filterError(reason string) error {
	return &store.Error{Status: http.StatusInternalServerError, Name: "filter_fetch_error", Reason: reason}
}
