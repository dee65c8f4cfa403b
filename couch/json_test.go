package couch_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/adlayer/after/couch"
)

func TestMembers(t *testing.T) {
	t.Parallel()
	type member struct{ Name, Value string }
	for _, test := range []struct {
		object string
		want   []member
	}{
		{`{}`, nil},
		{` { } `, nil},
		{`{"a":1}`, []member{{"a", "1"}}},
		{"{\n\t\"a\" : -1.5e3 , \"b\":null }\r\n", []member{{"a", "-1.5e3"}, {"b", "null"}}},
		{`{"a":{"b":[1,{"c":"}"}]},"d":[]}`, []member{{"a", `{"b":[1,{"c":"}"}]}`}, {"d", "[]"}}},
		{`{"q\"uote":"a\\","x":"\\\""}`, []member{{`q\"uote`, `"a\\"`}, {"x", `"\\\""`}}},
	} {
		var got []member
		err := couch.Members([]byte(test.object), func(name, value []byte) bool {
			got = append(got, member{string(name), string(value)})
			return true
		})
		if err != nil {
			t.Errorf("%s: %v", test.object, err)
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", test.object, diff)
		}
	}
}

func TestMembersRefuses(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{
		``, ` `, `[]`, `"a"`, `{`, `{"a"`, `{"a":`, `{"a":1`, `{"a":1,`, `{"a":1,}`, `{"a" 1}`, `{a:1}`, `{"a":"`, `{"a":"\"}`,
		`{"a":[}`, `{"a":1}x`, `{"a":1}{}`, `{"a"::1}`,
	} {
		if err := couch.Members([]byte(bad), func(_, _ []byte) bool { return true }); err == nil {
			t.Errorf("%q: no error", bad)
		}
	}
}

// FuzzMembers compares with the standard library: wherever that reads an object, the walker finds the same members.
func FuzzMembers(f *testing.F) {
	for _, seed := range []string{`{}`, `{"a":1,"b":{"c":[true,"x\"y"]}}`, `{"a":"\\","b":null}`, `[1,2]`, `{"a":[{}]`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		got := map[string]json.RawMessage{}
		err := couch.Members(raw, func(name, value []byte) bool {
			var key string
			if json.Unmarshal([]byte(`"`+string(name)+`"`), &key) == nil {
				got[key] = value
			}
			return true
		})
		_ = couch.Elements(raw, func([]byte) bool { return true })
		var want map[string]json.RawMessage
		if json.Unmarshal(raw, &want) != nil || want == nil {
			return
		}
		if err != nil {
			t.Fatalf("%q: %v", raw, err)
		}
		for key, value := range want {
			if string(got[key]) != string(value) {
				t.Fatalf("%q: member %q: got %q, want %q", raw, key, got[key], value)
			}
		}
	})
}
