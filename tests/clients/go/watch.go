package main

import (
	"context"
	"strings"
	"time"

	v1 "github.com/authzed/authzed-go/proto/authzed/api/v1"
	"google.golang.org/grpc/codes"
)

const (
	watchMax = 30 * time.Second
	// last is the change at which a watch ends.
	last = "document:end#owner@user:ann"
)

var allKinds = []v1.WatchKind{
	v1.WatchKind_WATCH_KIND_INCLUDE_RELATIONSHIP_UPDATES,
	v1.WatchKind_WATCH_KIND_INCLUDE_SCHEMA_UPDATES,
	v1.WatchKind_WATCH_KIND_INCLUDE_CHECKPOINTS,
}

func changes(s *session) {
	start := s.token
	first := values2struct(map[string]any{"reason": "first"})
	must(0, s.try(&v1.WriteRelationshipsRequest{
		Updates:                     updates(create, "document:w1#owner@user:ann", "folder:w1#viewer@user:ann"),
		OptionalTransactionMetadata: first,
	}))
	s.write(touch, "document:w1#owner@user:ann")
	s.write(touch, `document:w2#reader@user:cem[at_work:{"hour": 7}]`)
	s.write(remove, "document:w2#reader@user:cem")
	must(s.WriteSchema(s.ctx, &v1.WriteSchemaRequest{Schema: s.schema + "\ndefinition robot {}\n"}))
	must(s.DeleteRelationships(s.ctx, &v1.DeleteRelationshipsRequest{
		RelationshipFilter: &v1.RelationshipFilter{ResourceType: "folder", OptionalResourceId: "w1"},
	}))
	s.write(touch, last)
	expected := []string{
		"first: +document:w1#owner@user:ann +folder:w1#viewer@user:ann",
		": +document:w2#reader@user:cem",
		": -document:w2#reader@user:cem",
		"schema",
		": -folder:w1#viewer@user:ann",
		": +" + last,
	}
	found := s.replay(&v1.WatchRequest{OptionalStartCursor: start, OptionalUpdateKinds: allKinds})
	expect("watch, everything", expected, shown(found))
	checkpoints := 0
	for _, message := range found {
		if message.IsCheckpoint {
			checkpoints++
			expect("watch, metadata of a checkpoint", 0, len(message.FullRevisionMetadata))
		}
	}
	expect("watch, checkpoints", true, checkpoints > 0)
	resumed := s.replay(&v1.WatchRequest{OptionalStartCursor: found[0].ChangesThrough, OptionalUpdateKinds: allKinds})
	expect("watch, resumed", expected[1:], shown(resumed))
	byType := s.replay(&v1.WatchRequest{OptionalStartCursor: start, OptionalObjectTypes: []string{"document"}})
	expect("watch, by type", []string{"first: +document:w1#owner@user:ann", expected[1], expected[2], expected[5]}, shown(byType))
	owners := &v1.RelationshipFilter{ResourceType: "document", OptionalRelation: "owner"}
	byFilter := s.replay(&v1.WatchRequest{OptionalStartCursor: start, OptionalRelationshipFilters: []*v1.RelationshipFilter{owners}})
	expect("watch, by filter", []string{"first: +document:w1#owner@user:ann", expected[5]}, shown(byFilter))
	s.write(remove, last, "document:w1#owner@user:ann")
}

// replay is what a watch tells up to the change that was made last.
func (s *session) replay(request *v1.WatchRequest) []*v1.WatchResponse {
	ctx, cancel := context.WithTimeout(s.ctx, watchMax)
	defer cancel()
	stream, found := must(s.Watch(ctx, request)), []*v1.WatchResponse{}
	for {
		message := must(stream.Recv())
		found = append(found, message)
		if strings.Contains(strings.Join(shown(found[len(found)-1:]), " "), "+"+last) {
			return found
		}
	}
}

// shown are updates with their reason, and `schema` where it changed; order in one message says nothing.
func shown(found []*v1.WatchResponse) []string {
	told := []string{}
	for _, message := range found {
		texts := []string{}
		for _, one := range message.Updates {
			sign := map[v1.RelationshipUpdate_Operation]string{touch: "+", remove: "-"}[one.Operation]
			texts = append(texts, sign+textOf(one.Relationship))
		}
		if len(texts) > 0 {
			reason := message.OptionalTransactionMetadata.GetFields()["reason"].GetStringValue()
			told = append(told, reason+": "+strings.Join(sorted(texts), " "))
		}
		if message.SchemaUpdated {
			told = append(told, "schema")
		}
	}
	return told
}

// live: a watch without a start shows what is written from then on.
func live(s *session) {
	seen, written := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(written)
		// Nothing tells when the server has begun to watch.
		for {
			select {
			case <-seen:
				return
			case <-time.After(50 * time.Millisecond):
				s.write(touch, last)
				s.write(remove, last)
			}
		}
	}()
	found := s.replay(&v1.WatchRequest{})
	close(seen)
	<-written
	expect("watch, live", true, len(found) > 0)
}

func refusedWatches(s *session) {
	document := []*v1.RelationshipFilter{{ResourceType: "document"}}
	for _, one := range []struct {
		what    string
		code    codes.Code
		reason  string
		request *v1.WatchRequest
	}{
		{"types and filters", codes.InvalidArgument, "", &v1.WatchRequest{OptionalObjectTypes: []string{"document"}, OptionalRelationshipFilters: document}},
		{"bad start", codes.InvalidArgument, "", &v1.WatchRequest{OptionalStartCursor: &v1.ZedToken{Token: "?"}}},
		{"unknown definition", codes.FailedPrecondition, "UNKNOWN_DEFINITION", &v1.WatchRequest{OptionalRelationshipFilters: []*v1.RelationshipFilter{{ResourceType: "letter"}}}},
		{"empty filter", codes.InvalidArgument, "INVALID_FILTER", &v1.WatchRequest{OptionalRelationshipFilters: []*v1.RelationshipFilter{{}}}},
	} {
		ctx, cancel := context.WithTimeout(s.ctx, watchMax)
		_, err := all(s.Watch(ctx, one.request))
		expectError("watch, "+one.what, one.code, one.reason, err)
		cancel()
	}
}
