// A client of Kilwa: writes a schema and two relationships, and asks about them.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"

	pb "github.com/authzed/authzed-go/proto/authzed/api/v1"
	"github.com/authzed/authzed-go/v1"
	"github.com/authzed/grpcutil"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

const schema = `
definition user {}

definition document {
  relation owner: user
  relation reader: user
  permission edit = owner
  permission read = reader + edit
}
`

var plan = &pb.ObjectReference{ObjectType: "document", ObjectId: "plan"}

func user(name string) *pb.SubjectReference {
	return &pb.SubjectReference{Object: &pb.ObjectReference{ObjectType: "user", ObjectId: name}}
}

// touch writes a relationship whether or not it exists, so that the program can be run again.
func touch(relation, name string) *pb.RelationshipUpdate {
	return &pb.RelationshipUpdate{
		Operation:    pb.RelationshipUpdate_OPERATION_TOUCH,
		Relationship: &pb.Relationship{Resource: plan, Relation: relation, Subject: user(name)},
	}
}

func run(ctx context.Context) error {
	client, err := authzed.NewClient(
		os.Getenv("KILWA_ENDPOINT"),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpcutil.WithInsecureBearerToken(os.Getenv("KILWA_TOKEN")),
	)
	if err != nil {
		return err
	}
	if _, err := client.WriteSchema(ctx, &pb.WriteSchemaRequest{Schema: schema}); err != nil {
		return err
	}
	written, err := client.WriteRelationships(ctx, &pb.WriteRelationshipsRequest{
		Updates: []*pb.RelationshipUpdate{touch("owner", "ann"), touch("reader", "ben")},
	})
	if err != nil {
		return err
	}

	// The token of the write: an answer at least as fresh as it has seen the relationships.
	fresh := &pb.Consistency{Requirement: &pb.Consistency_AtLeastAsFresh{AtLeastAsFresh: written.WrittenAt}}
	for _, query := range [][2]string{{"ann", "edit"}, {"ben", "edit"}, {"ben", "read"}} {
		name, permission := query[0], query[1]
		answer, err := client.CheckPermission(ctx, &pb.CheckPermissionRequest{
			Consistency: fresh, Resource: plan, Permission: permission, Subject: user(name),
		})
		if err != nil {
			return err
		}
		has := "no"
		if answer.Permissionship == pb.CheckPermissionResponse_PERMISSIONSHIP_HAS_PERMISSION {
			has = "yes"
		}
		fmt.Printf("%s may %s the plan: %s\n", name, permission, has)
	}

	found, err := client.LookupResources(ctx, &pb.LookupResourcesRequest{
		Consistency: fresh, ResourceObjectType: "document", Permission: "read", Subject: user("ben"),
	})
	if err != nil {
		return err
	}
	fmt.Print("ben may read:")
	for {
		resource, err := found.Recv()
		if errors.Is(err, io.EOF) {
			fmt.Println()
			return nil
		}
		if err != nil {
			return err
		}
		fmt.Print(" ", resource.ResourceObjectId)
	}
}

func main() {
	if err := run(context.Background()); err != nil {
		log.Fatal(err)
	}
}
