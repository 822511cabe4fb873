package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	v1 "github.com/authzed/authzed-go/proto/authzed/api/v1"
	"github.com/authzed/authzed-go/v1"
	"github.com/authzed/grpcutil"
	"golang.org/x/sys/unix"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

const (
	costsKey    = "a key for the figures of features"
	callsAtOnce = 16
	roundTime   = time.Second
	// In Valgrind, which takes some fifty times as long.
	countedCalls = 4000
	costsSchema  = `
definition user {}
definition group { relation member: user | group#member }
definition document {
  relation reader: user | group#member
  permission read = reader
}`
)

// feature is a way to serve, and a server that does.
type feature struct {
	name             string
	roles, tls       bool
	scraped, audited bool
	json             bool
	process          *exec.Cmd
	endpoint         string
	http, metrics    string
	client           *authzed.Client
	// For each round: CPU time of the server for each call, in microseconds.
	micros []float64
	// The file to which Valgrind writes counts.
	counts string
}

// measureCosts measures what features cost a warm check: costs KILWA [ROUNDS | --instructions].
//
// A server for each of them runs on data of its own. They are loaded in turn, a second each, while the others idle, and each
// round is compared with the plain server in the same round: so slow changes of the machine fall out. What counts is the CPU
// time of the whole process of the server, by the clock of the operating system for it. With --instructions the servers run
// one after the other in Valgrind, which counts their instructions in user mode: those are the same on a busy machine.
func measureCosts(arguments []string) {
	if len(arguments) < 1 {
		fail("usage: costs KILWA [ROUNDS | --instructions]")
	}
	folder := must(os.MkdirTemp("", "kilwa-costs"))
	defer os.RemoveAll(folder)
	features := []*feature{
		{name: "plain"},
		{name: "plain, a second server"},
		{name: "roles", roles: true},
		{name: "TLS", tls: true},
		{name: "metrics, a scrape each second", scraped: true},
		{name: "audit log", audited: true},
		{name: "all of these", roles: true, tls: true, scraped: true, audited: true},
		{name: "plain, JSON over HTTP/1.1", json: true},
	}
	if len(arguments) > 1 && arguments[1] == "--instructions" {
		countInstructions(features, arguments[0], folder)
		return
	}
	rounds := 30
	if len(arguments) > 1 {
		rounds = must(strconv.Atoi(arguments[1]))
	}
	for number, one := range features {
		one.start([]string{arguments[0]}, filepath.Join(folder, strconv.Itoa(number)))
		defer one.stop()
	}
	for _, one := range features {
		one.load(nil)
	}
	for round := range rounds {
		for place := range features {
			one := features[(place+round)%len(features)]
			one.load(&one.micros)
		}
	}
	fmt.Printf("%-32s %16s %22s\n", fmt.Sprintf("%d rounds, %d calls at once", rounds, callsAtOnce), "µs of CPU a call", "against plain")
	for _, one := range features {
		ratios := []float64{}
		for round, micros := range one.micros {
			ratios = append(ratios, micros/features[0].micros[round])
		}
		fmt.Printf("%-32s %16.1f %8.2f (%.2f to %.2f)\n", one.name,
			quantile(one.micros, 2), quantile(ratios, 2), quantile(ratios, 1), quantile(ratios, 3))
	}
}

// countInstructions counts those of some thousand calls for each feature, and those of a scrape.
func countInstructions(features []*feature, kilwa, folder string) {
	fmt.Printf("%-32s %20s %14s\n", fmt.Sprintf("%d calls", countedCalls), "instructions a call", "against plain")
	plain := 0.0
	for number, one := range features {
		one.counts = filepath.Join(folder, "counts."+strconv.Itoa(number))
		valgrind := []string{"valgrind", "--tool=callgrind", "--callgrind-out-file=" + one.counts, kilwa}
		one.start(valgrind, filepath.Join(folder, strconv.Itoa(number)))
		one.call(countedCalls / 4)
		count := one.instructions(func() { one.call(countedCalls) }) / countedCalls
		if plain == 0 {
			plain = count
		}
		fmt.Printf("%-32s %20.0f %14.3f\n", one.name, count, count/plain)
		if one.scraped {
			fmt.Printf("%-32s %20.0f\n", "  a scrape of it", one.instructions(one.scrape))
		}
		one.stop()
	}
}

// instructions counts those of the server's process while work is done.
func (f *feature) instructions(work func()) float64 {
	dumps := must(filepath.Glob(f.counts + ".*"))
	pid := strconv.Itoa(f.process.Process.Pid)
	must(exec.Command("callgrind_control", "--zero", pid).Output())
	work()
	must(exec.Command("callgrind_control", "--dump", pid).Output())
	text := must(os.ReadFile(fmt.Sprintf("%s.%d", f.counts, len(dumps)+1)))
	found := regexp.MustCompile(`(?m)^totals: (\d+)`).FindSubmatch(text)
	if found == nil {
		fail("%s: Valgrind wrote no counts", f.name)
	}
	return must(strconv.ParseFloat(string(found[1]), 64))
}

// call makes so many calls, some at once.
func (f *feature) call(count int64) {
	var begun atomic.Int64
	var group sync.WaitGroup
	for range callsAtOnce {
		group.Go(func() {
			for number := begun.Add(1); number <= count; number = begun.Add(1) {
				f.check(int(number) % 200)
			}
		})
	}
	group.Wait()
}

// quantile gives one of three quartiles.
func quantile(values []float64, quarter int) float64 {
	ordered := slices.Sorted(slices.Values(values))
	return ordered[(len(ordered)-1)*quarter/4]
}

func (f *feature) start(kilwa []string, folder string) {
	must(0, os.MkdirAll(folder, 0o700))
	arguments := []string{"serve", "--data-dir", filepath.Join(folder, "data"), "--grpc-addr", "127.0.0.1:0"}
	credentials := []grpc.DialOption{
		grpc.WithTransportCredentials(insecure.NewCredentials()), grpcutil.WithInsecureBearerToken(costsKey),
	}
	if f.roles {
		access := filepath.Join(folder, "access.toml")
		text := fmt.Sprintf("[roles.shop]\nmethods = [\"check\", \"write\", \"schema\"]\nid_prefixes = [\"shop/\"]\nshared = [\"user\"]\n\n"+
			"[[keys]]\nname = \"shop\"\nsha256 = \"%x\"\nroles = [\"shop\"]\n\n[[keys]]\nname = \"owner\"\nsha256 = \"%x\"\nroles = [\"full\"]\n",
			sha256.Sum256([]byte(costsKey)), sha256.Sum256([]byte("the owner, "+costsKey)))
		must(0, os.WriteFile(access, []byte(text), 0o600))
		arguments = append(arguments, "--access-file", access)
	} else {
		arguments = append(arguments, "--grpc-preshared-key", costsKey)
	}
	if f.tls {
		certificate, key := selfSigned(folder)
		arguments = append(arguments, "--grpc-tls-cert-path", certificate, "--grpc-tls-key-path", key)
		trust := must(grpcutil.WithCustomCerts(grpcutil.VerifyCA, certificate))
		credentials = []grpc.DialOption{trust, grpcutil.WithBearerToken(costsKey)}
	}
	if f.scraped {
		arguments = append(arguments, "--metrics-enabled", "--metrics-addr", "127.0.0.1:0")
	}
	if f.audited {
		arguments = append(arguments, "--audit-log", filepath.Join(folder, "audit.log"))
	}
	if f.json {
		arguments = append(arguments, "--http-enabled", "--http-addr", "127.0.0.1:0")
	}
	f.process = exec.Command(kilwa[0], append(kilwa[1:], arguments...)...)
	f.awaitAddresses(must(f.process.StderrPipe()))
	f.client = must(authzed.NewClient(f.endpoint, credentials...))
	f.prepare(credentials)
}

// awaitAddresses starts the server and reads from its log where it listens.
func (f *feature) awaitAddresses(log io.ReadCloser) {
	must(0, f.process.Start())
	line := regexp.MustCompile(`serving (gRPC|HTTP|metrics).* address=(127\.0\.0\.1:\d+)`)
	lines := bufio.NewScanner(log)
	for (f.endpoint == "" || f.json && f.http == "" || f.scraped && f.metrics == "") && lines.Scan() {
		found := line.FindStringSubmatch(lines.Text())
		if found == nil {
			continue
		}
		switch found[1] {
		case "gRPC":
			f.endpoint = found[2]
		case "HTTP":
			f.http = found[2]
		case "metrics":
			f.metrics = found[2]
		}
	}
	if f.endpoint == "" {
		fail("%s: the server did not start", f.name)
	}
	go io.Copy(io.Discard, log)
}

func (f *feature) prepare(credentials []grpc.DialOption) {
	client := f.client
	if f.roles {
		owner := grpcutil.WithInsecureBearerToken("the owner, " + costsKey)
		if f.tls {
			owner = grpcutil.WithBearerToken("the owner, " + costsKey)
		}
		client = must(authzed.NewClient(f.endpoint, credentials[0], owner))
	}
	ctx := context.Background()
	must(client.WriteSchema(ctx, &v1.WriteSchemaRequest{Schema: costsSchema}))
	updates := []*v1.RelationshipUpdate{}
	touch := func(text string) {
		updates = append(updates, &v1.RelationshipUpdate{
			Operation: v1.RelationshipUpdate_OPERATION_TOUCH, Relationship: relationship(text),
		})
	}
	for number := range 200 {
		touch(fmt.Sprintf("document:shop/d%d#reader@group:shop/g%d#member", number, number%20))
		touch(fmt.Sprintf("group:shop/g%d#member@user:u%d", number%20, number))
	}
	must(client.WriteRelationships(ctx, &v1.WriteRelationshipsRequest{Updates: updates}))
}

func (f *feature) stop() {
	must(0, f.process.Process.Signal(unix.SIGTERM))
	_ = f.process.Wait()
}

// load calls for the time of a round, with one scrape in its middle where there are metrics.
func (f *feature) load(micros *[]float64) {
	var calls atomic.Int64
	var group sync.WaitGroup
	before, end := f.cpu(), time.Now().Add(roundTime)
	for caller := range callsAtOnce {
		group.Go(func() {
			for number := caller; time.Now().Before(end); number += callsAtOnce {
				f.check(number % 200)
				calls.Add(1)
			}
		})
	}
	if f.scraped {
		time.Sleep(roundTime / 2)
		f.scrape()
	}
	group.Wait()
	if micros != nil {
		*micros = append(*micros, float64((f.cpu()-before).Nanoseconds())/1e3/float64(calls.Load()))
	}
}

func (f *feature) scrape() {
	answer := must(http.Get("http://" + f.metrics + "/metrics"))
	must(io.Copy(io.Discard, answer.Body))
	answer.Body.Close()
}

func (f *feature) check(number int) {
	if f.json {
		f.checkJSON(number)
		return
	}
	resource, permission, who := question(fmt.Sprintf("document:shop/d%d#read@user:u%d", number, number))
	answer := must(f.client.CheckPermission(context.Background(), &v1.CheckPermissionRequest{
		Consistency: full, Resource: resource, Permission: permission, Subject: who,
	}))
	if answer.Permissionship != yes {
		fail("%s: %v", f.name, answer)
	}
}

var jsonClient = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: callsAtOnce, DisableCompression: true}}

func (f *feature) checkJSON(number int) {
	text := fmt.Sprintf(`{"consistency":{"fullyConsistent":true},"resource":{"objectType":"document","objectId":"shop/d%d"},`+
		`"permission":"read","subject":{"object":{"objectType":"user","objectId":"u%d"}}}`, number, number)
	request := must(http.NewRequest("POST", "http://"+f.http+"/v1/permissions/check", bytes.NewReader([]byte(text))))
	request.Header.Set("authorization", "Bearer "+costsKey)
	request.Header.Set("content-type", "application/json")
	answer := must(jsonClient.Do(request))
	body := must(io.ReadAll(answer.Body))
	answer.Body.Close()
	if !bytes.Contains(body, []byte("PERMISSIONSHIP_HAS_PERMISSION")) {
		fail("%s: %s", f.name, body)
	}
}

// cpu is the CPU time of the server's process so far, in user and system mode, of ended threads too.
func (f *feature) cpu() time.Duration {
	// The clock of a process, as `clock_getcpuclockid` of the C library numbers it.
	clock := int32(^f.process.Process.Pid)<<3 | 2
	var now unix.Timespec
	must(0, unix.ClockGettime(clock, &now))
	return time.Duration(now.Nano())
}

// selfSigned writes a certificate for 127.0.0.1 and its key.
func selfSigned(folder string) (string, string) {
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "figures"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	certificate := must(x509.CreateCertificate(rand.Reader, template, template, key.Public(), key))
	files := [2]string{filepath.Join(folder, "server.pem"), filepath.Join(folder, "server.key")}
	blocks := [2]*pem.Block{
		{Type: "CERTIFICATE", Bytes: certificate},
		{Type: "PRIVATE KEY", Bytes: must(x509.MarshalPKCS8PrivateKey(key))},
	}
	for number, path := range files {
		must(0, os.WriteFile(path, pem.EncodeToMemory(blocks[number]), 0o600))
	}
	return files[0], files[1]
}
