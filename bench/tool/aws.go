package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"time"
)

// answerAWS answers the two operations that the snippets call.
func answerAWS(w http.ResponseWriter, r *http.Request) {
	io.Copy(io.Discard, r.Body)
	if r.Header.Get("X-Amz-Target") != "" {
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		io.WriteString(w, `{"logGroups":[{"logGroupName":"/aws/lambda/a","arn":"arn:aws:logs:us-east-1:111122223333:log-group:/aws/lambda/a:*"}]}`)
		return
	}
	w.Header().Set("Content-Type", "text/xml")
	io.WriteString(w, `<DescribeInstancesResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><requestId>r</requestId><reservationSet/></DescribeInstancesResponse>`)
}

// plainAWS and secureAWS start the server over HTTP and over HTTPS.
func plainAWS() *httptest.Server { return httptest.NewServer(http.HandlerFunc(answerAWS)) }

// secureAWS also writes a certificate bundle that contains botocore's authorities and its own. A short bundle
// would make the first handshake faster than in Lambda.
func secureAWS(usualBundle, bundle string) (*httptest.Server, error) {
	certificate, authority, err := certify()
	if err != nil {
		return nil, fmt.Errorf("make a certificate: %w", err)
	}
	trusted, err := os.ReadFile(usualBundle)
	if err != nil {
		return nil, fmt.Errorf("read botocore's authorities: %w", err)
	}
	if err := os.WriteFile(bundle, append(append(trusted, '\n'), authority...), 0o644); err != nil {
		return nil, err
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(answerAWS))
	server.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}}
	server.StartTLS()
	return server, nil
}

// certify creates an authority, as PEM, and a certificate for this machine that it has signed.
func certify() (tls.Certificate, []byte, error) {
	authorityKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	now := time.Now()
	authority := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "benchmark"}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature}
	authorityDER, err := x509.CreateCertificate(rand.Reader, authority, authority, &authorityKey.PublicKey, authorityKey)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	if authority, err = x509.ParseCertificate(authorityDER); err != nil {
		return tls.Certificate{}, nil, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	leaf := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "127.0.0.1"}, NotBefore: authority.NotBefore, NotAfter: authority.NotAfter,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	leafDER, err := x509.CreateCertificate(rand.Reader, leaf, authority, &key.PublicKey, authorityKey)
	return tls.Certificate{Certificate: [][]byte{leafDER}, PrivateKey: key}, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: authorityDER}), err
}
