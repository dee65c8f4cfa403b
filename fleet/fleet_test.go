package fleet_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/adlayer/after/changes"
	"github.com/adlayer/after/couch"
	"github.com/adlayer/after/fleet"
)

func TestIdentityLastsAndIncarnationDoesNot(t *testing.T) {
	t.Parallel()
	state := t.TempDir()
	first := open(t, state, false, "b", "a")
	must(t, first.Close())
	second := open(t, state, false, "a", "b")
	if first.Member != second.Member {
		t.Errorf("member %s became %s", first.Member, second.Member)
	}
	if first.Incarnation == second.Incarnation {
		t.Error("the incarnation did not change")
	}
}

func TestIdentityIsHeldByOneProcess(t *testing.T) {
	t.Parallel()
	state := t.TempDir()
	open(t, state, false, "manobi")
	_, err := fleet.Open(state, []string{"manobi"}, false)
	var inUse *fleet.InUseError
	if !errors.As(err, &inUse) || inUse.Owner.PID != os.Getpid() {
		t.Errorf("second Open: %v", err)
	}
	standby := open(t, state, true, "manobi")
	if standby.Folder == "" || filepath.Dir(standby.Folder) != filepath.Join(state, "members") {
		t.Errorf("standby's folder: %s", standby.Folder)
	}
}

func TestIdentityOfStrangeNames(t *testing.T) {
	t.Parallel()
	state := t.TempDir()
	folders := map[string]bool{}
	for _, name := range []string{"../up", "a/b", "a b", "größe", ".", strings.Repeat("x", 300), strings.Repeat("x", 301)} {
		identity := open(t, state, false, name)
		if dir := filepath.Dir(identity.Folder); dir != filepath.Join(state, "members") {
			t.Errorf("%q lies in %s", name, dir)
		}
		if folders[identity.Folder] {
			t.Errorf("%q shares a folder", name)
		}
		folders[identity.Folder] = true
	}
}

func TestOneMemberHoldsAName(t *testing.T) {
	t.Parallel()
	db := database(t)
	one := join(t, db, nil)
	must(t, one.Take(t.Context(), "manobi", false, nil))

	two := join(t, db, nil)
	err := two.Take(t.Context(), "manobi", false, nil)
	var held *fleet.HeldError
	if !errors.As(err, &held) || held.Lease.PID != os.Getpid() {
		t.Fatalf("a second member got: %v", err)
	}
	if !strings.Contains(err.Error(), "--standby") {
		t.Errorf("the error does not say what to do: %v", err)
	}
	must(t, one.Leave(context.WithoutCancel(t.Context())))
	must(t, two.Take(t.Context(), "manobi", false, nil))
	members, err := fleet.List(t.Context(), db)
	must(t, err)
	if len(members) != 1 {
		t.Errorf("%d members are listed, want the one that did not leave", len(members))
	}
}

// TestKnown: a fleet remembers the names that it has had, also when they were given back.
func TestKnown(t *testing.T) {
	t.Parallel()
	db := database(t)
	for _, name := range []string{"left", "there"} {
		m := join(t, db, nil)
		must(t, m.Take(t.Context(), name, false, nil))
		if name == "left" {
			must(t, m.Leave(context.WithoutCancel(t.Context())))
		}
	}
	known, err := fleet.Known(t.Context(), db, []string{"never", "there", "left"})
	if err != nil || !slices.Equal(known, []string{"there", "left"}) {
		t.Errorf("known are %v: %v", known, err)
	}
	known, err = fleet.Known(t.Context(), db.Client().Database("none"), []string{"left"})
	if err != nil || known != nil {
		t.Errorf("without a database, known are %v: %v", known, err)
	}
}

// TestLeavesAlsoAfterWritesThatItDoesNotKnowOf: a heartbeat may arrive although nobody waited for its answer.
func TestLeavesAlsoAfterWritesThatItDoesNotKnowOf(t *testing.T) {
	t.Parallel()
	db := database(t)
	one := join(t, db, nil)
	must(t, one.Take(t.Context(), "manobi", false, nil))
	members, err := fleet.List(t.Context(), db)
	must(t, err)
	for _, id := range []string{members[0].ID, "worker:manobi"} {
		doc, err := db.Get(t.Context(), id)
		must(t, err)
		_, err = db.Put(t.Context(), id, doc.Body)
		must(t, err)
	}
	must(t, one.Leave(context.WithoutCancel(t.Context())))
	listing, err := db.AllDocs(t.Context(), couch.Range{})
	must(t, err)
	for _, row := range listing.Rows {
		t.Errorf("%s is left behind", row.ID)
	}
}

func TestStandbyTakesOverFromADeadMember(t *testing.T) {
	t.Parallel()
	db := database(t)
	one := join(t, db, nil)
	must(t, one.Take(t.Context(), "manobi", false, nil))
	one.Abandon()
	died := time.Now()
	two := join(t, db, nil)
	waited := 0
	must(t, two.Take(t.Context(), "manobi", true, func(fleet.Lease) { waited++ }))
	if took := time.Since(died); took < fleet.Validity-fleet.Beat {
		t.Errorf("took the name after %v, before the last heartbeat was void", took)
	}
	if waited != 1 {
		t.Errorf("told %d times that it waits", waited)
	}
}

func TestMemberThatLostItsNameIsTold(t *testing.T) {
	t.Parallel()
	db := database(t)
	lost := make(chan string, 1)
	one := join(t, db, func(name string, _ fleet.Lease) { lost <- name })
	must(t, one.Take(t.Context(), "manobi", false, nil))
	doc, err := db.Get(t.Context(), "worker:manobi")
	must(t, err)
	body := strings.Replace(string(doc.Body), `"incarnation":"`, `"incarnation":"x`, 1)
	_, err = db.Put(t.Context(), "worker:manobi", []byte(body))
	must(t, err)
	select {
	case name := <-lost:
		if name != "manobi" {
			t.Errorf("lost %s", name)
		}
	case <-time.After(time.Minute):
		t.Fatal("not told")
	}
}

func TestTheDeadAreForgotten(t *testing.T) {
	t.Parallel()
	db := database(t)
	dead := join(t, db, nil)
	dead.Abandon()
	log := logrus.New()
	log.SetOutput(t.Output())
	alive, err := fleet.Join(t.Context(), fleet.Config{
		Database: db, Identity: open(t, t.TempDir(), false, "manobi"), Log: log, Lost: func(string, fleet.Lease) {}, Forget: 8 * time.Second,
	})
	must(t, err)
	t.Cleanup(alive.Abandon)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	deleted := func(_ context.Context, rows []changes.Row, _ string) error {
		for _, row := range rows {
			if row.Deleted {
				return errSeen
			}
		}
		return nil
	}
	if err := changes.Follow(ctx, db, changes.Options{}, deleted); !errors.Is(err, errSeen) {
		t.Fatalf("the dead member's document is still there: %v", err)
	}
	members, err := fleet.List(t.Context(), db)
	must(t, err)
	if len(members) != 1 {
		t.Errorf("%d members are left", len(members))
	}
}

var errSeen = errors.New("seen")

func TestMayStart(t *testing.T) {
	t.Parallel()
	db := database(t)
	one := join(t, db, nil)
	now := time.Now()
	if one.MayStart("manobi", now) {
		t.Error("a member that holds no name may start")
	}
	must(t, one.Take(t.Context(), "manobi", false, nil))
	if !one.MayStart("manobi", now) {
		t.Error("a member that has just taken a name may not start")
	}
	if one.MayStart("manobi", now.Add(fleet.Validity-fleet.Margin+time.Second)) {
		t.Error("a member whose heartbeat is too old may start")
	}
}

func open(t *testing.T, state string, standby bool, names ...string) *fleet.Identity {
	t.Helper()
	identity, err := fleet.Open(state, names, standby)
	must(t, err)
	t.Cleanup(func() { _ = identity.Close() })
	return identity
}

func join(t *testing.T, db *couch.Database, lost func(string, fleet.Lease)) *fleet.Member {
	t.Helper()
	return joinAs(t, db, open(t, t.TempDir(), false, "manobi"), lost)
}

func joinAs(t *testing.T, db *couch.Database, identity *fleet.Identity, lost func(string, fleet.Lease)) *fleet.Member {
	t.Helper()
	if lost == nil {
		lost = func(string, fleet.Lease) {}
	}
	log := logrus.New()
	log.SetOutput(t.Output())
	member, err := fleet.Join(t.Context(), fleet.Config{Database: db, Identity: identity, Version: "test", Log: log, Lost: lost})
	must(t, err)
	t.Cleanup(member.Abandon)
	return member
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
