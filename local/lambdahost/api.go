package lambdahost

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httputil"
	"net/url"
)

// api serves the Invoke operation of the Lambda API and forwards everything else to the fallback. Without a fallback, it also
// serves GetFunctionConfiguration.
func (h *Host) api() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /2015-03-31/functions/{name}/invocations", h.serveInvoke)
	if fallback, err := url.Parse(h.options.Fallback); err == nil && fallback.Host != "" {
		mux.Handle("/", &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(fallback)
			r.Out.Host = r.In.Host // part of the signature
		}})
	} else {
		mux.HandleFunc("GET /2015-03-31/functions/{name}/configuration", h.serveConfiguration)
	}
	return mux
}

func (h *Host) serveInvoke(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	payload, err := io.ReadAll(io.LimitReader(r.Body, maxSyncPayload+1))
	if err != nil {
		apiError(w, http.StatusBadRequest, "InvalidRequestContentException", err.Error())
		return
	}
	if len(payload) == 0 {
		payload = []byte("{}")
	}
	if len(payload) <= maxSyncPayload && !json.Valid(payload) { // the end of a larger payload was not read
		apiError(w, http.StatusBadRequest, "InvalidRequestContentException", "Could not parse request body into json")
		return
	}
	switch kind := r.Header.Get("X-Amz-Invocation-Type"); kind {
	case "Event":
		id, err := h.InvokeAsync(name, payload)
		if err != nil {
			invokeError(w, err)
			return
		}
		w.Header().Set("X-Amzn-Requestid", id)
		w.WriteHeader(http.StatusAccepted)
	case "DryRun":
		if _, err := h.lookup(name); err != nil {
			invokeError(w, err)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	case "", "RequestResponse":
		answer, err := h.Invoke(r.Context(), name, payload)
		if err != nil {
			invokeError(w, err)
			return
		}
		if answer.FunctionError != "" {
			w.Header().Set("X-Amz-Function-Error", answer.FunctionError)
		}
		w.Header().Set("X-Amzn-Requestid", answer.RequestID)
		w.Header().Set("X-Amz-Executed-Version", "$LATEST")
		w.Header().Set("Content-Type", "application/json")
		w.Write(answer.Payload)
	default:
		apiError(w, http.StatusBadRequest, "InvalidParameterValueException", "the local host does not support the invocation type "+kind)
	}
}

func (h *Host) serveConfiguration(w http.ResponseWriter, r *http.Request) {
	f, err := h.lookup(r.PathValue("name"))
	if err != nil {
		invokeError(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(map[string]any{
		"FunctionName": f.Name, "FunctionArn": h.ARN(f.Name), "Environment": map[string]any{"Variables": f.Env},
	})
}

// invokeError answers with an error of Invoke or InvokeAsync.
func invokeError(w http.ResponseWriter, err error) {
	refused := &APIError{Status: http.StatusInternalServerError, Type: "ServiceException", Message: err.Error()}
	errors.As(err, &refused)
	apiError(w, refused.Status, refused.Type, refused.Message)
}

func apiError(w http.ResponseWriter, status int, kind, message string) {
	w.Header().Set("X-Amzn-Errortype", kind)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(map[string]string{"Message": message, "message": message, "__type": kind})
}
