package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"reflect"
	"regexp"
	"sort"
	"strings"
	"time"

	v1 "github.com/authzed/authzed-go/proto/authzed/api/v1"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// Relationships and questions in their text form, and what is expected of answers.

var relationshipForm = regexp.MustCompile(
	`^([^#]+)#([^@]+)@([^\[]+)(?:\[(at_work)(?::(\{.*\}))?\])?(?:\[expiration:([^\]]+)\])?$`)

func object(text string) *v1.ObjectReference {
	kind, id, _ := strings.Cut(text, ":")
	return &v1.ObjectReference{ObjectType: kind, ObjectId: id}
}

func subject(text string) *v1.SubjectReference {
	name, relation, _ := strings.Cut(text, "#")
	return &v1.SubjectReference{Object: object(name), OptionalRelation: relation}
}

// question splits `document:plan#read@user:ann`.
func question(text string) (*v1.ObjectReference, string, *v1.SubjectReference) {
	resource, rest, _ := strings.Cut(text, "#")
	permission, who, _ := strings.Cut(rest, "@")
	return object(resource), permission, subject(who)
}

func relationship(text string) *v1.Relationship {
	parts := relationshipForm.FindStringSubmatch(text)
	if parts == nil {
		fail("`%s` is not a relationship", text)
	}
	found := &v1.Relationship{Resource: object(parts[1]), Relation: parts[2], Subject: subject(parts[3])}
	if parts[4] != "" {
		found.OptionalCaveat = &v1.ContextualizedCaveat{CaveatName: parts[4]}
	}
	if parts[5] != "" {
		values := map[string]any{}
		must(0, json.Unmarshal([]byte(parts[5]), &values))
		found.OptionalCaveat.Context = values2struct(values)
	}
	if parts[6] != "" {
		found.OptionalExpiresAt = timestamppb.New(must(time.Parse(time.RFC3339, parts[6])))
	}
	return found
}

func relationships(texts []string) []*v1.Relationship {
	found := []*v1.Relationship{}
	for _, text := range texts {
		found = append(found, relationship(text))
	}
	return found
}

func values2struct(values map[string]any) *structpb.Struct {
	return must(structpb.NewStruct(values))
}

func nameOf(found *v1.ObjectReference) string {
	return found.ObjectType + ":" + found.ObjectId
}

func subjectText(who *v1.SubjectReference) string {
	if who.OptionalRelation == "" {
		return nameOf(who.Object)
	}
	return nameOf(who.Object) + "#" + who.OptionalRelation
}

// textOf is the text form without condition and expiration.
func textOf(found *v1.Relationship) string {
	return nameOf(found.Resource) + "#" + found.Relation + "@" + subjectText(found.Subject)
}

func textsOf(found []*v1.Relationship) []string {
	texts := []string{}
	for _, one := range found {
		texts = append(texts, textOf(one))
	}
	return texts
}

func sorted(texts []string) []string {
	found := append([]string{}, texts...)
	sort.Strings(found)
	return found
}

func expect[T any](what string, expected, actual T) {
	if !reflect.DeepEqual(expected, actual) {
		fail("%s: expected %v, got %v", what, expected, actual)
	}
	fmt.Printf("ok  %s\n", what)
}

// expectError requires a code and a reason, on which applications branch, and gives the metadata.
func expectError(what string, code codes.Code, reason string, err error) map[string]string {
	if err == nil {
		fail("%s: expected an error, got an answer", what)
	}
	expect(what+": code", code, status.Code(err))
	for _, detail := range status.Convert(err).Details() {
		if info, ok := detail.(*errdetails.ErrorInfo); ok {
			if reason != "" {
				expect(what+": reason", "ERROR_REASON_"+reason, info.Reason)
			}
			return info.Metadata
		}
	}
	if reason != "" {
		fail("%s: expected the reason %s, got none", what, reason)
	}
	return nil
}

// all is everything that a stream brings.
func all[T any, S interface{ Recv() (*T, error) }](stream S, err error) ([]*T, error) {
	if err != nil {
		return nil, err
	}
	found := []*T{}
	for {
		one, err := stream.Recv()
		if err == io.EOF {
			return found, nil
		}
		if err != nil {
			return found, err
		}
		found = append(found, one)
	}
}

func failure[T any](_ T, err error) error {
	return err
}

func must[T any](found T, err error) T {
	if err != nil {
		fail("%v", err)
	}
	return found
}

func fail(format string, values ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", values...)
	os.Exit(1)
}
