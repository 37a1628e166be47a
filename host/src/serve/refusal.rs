//! Answers that are no completions.

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Value, json};

/// Why a request is not answered: a status, and what OpenAI's error object says.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// Status of the answer.
    pub status: StatusCode,
    /// The field that is wrong, dotted.
    pub param: Option<String>,
    /// A sentence.
    pub message: String,
}

impl Refusal {
    /// A refusal that no field is to blame for.
    pub fn of(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, param: None, message: message.into() }
    }

    /// A field that is wrong; `why` follows its name in the sentence.
    pub fn field(name: &str, why: impl std::fmt::Display) -> Self {
        let message = format!("`{name}` {why}");
        Self { status: StatusCode::BAD_REQUEST, param: Some(name.to_owned()), message }
    }

    /// All sessions are busy and no more requests may wait, or the server ends.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::of(StatusCode::SERVICE_UNAVAILABLE, message)
    }

    /// Something failed that the client cannot help.
    pub fn failed(why: impl std::fmt::Display) -> Self {
        Self::of(StatusCode::INTERNAL_SERVER_ERROR, format!("the completion failed: {why}"))
    }

    /// OpenAI's error object.
    pub fn json(&self) -> Value {
        let (kind, code) = match self.status {
            StatusCode::UNAUTHORIZED => ("invalid_request_error", Some("invalid_api_key")),
            StatusCode::NOT_FOUND if self.param.as_deref() == Some("model") => {
                ("invalid_request_error", Some("model_not_found"))
            }
            StatusCode::SERVICE_UNAVAILABLE => ("server_error", Some("overloaded")),
            StatusCode::GATEWAY_TIMEOUT => ("server_error", Some("timeout")),
            status if status.is_server_error() => ("server_error", None),
            _ => ("invalid_request_error", None),
        };
        json!({"error": {"message": self.message, "type": kind, "param": self.param, "code": code}})
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = answer(self.status, &self.json());
        let headers = response.headers_mut();
        match self.status {
            StatusCode::SERVICE_UNAVAILABLE => drop(headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"))),
            StatusCode::UNAUTHORIZED => {
                drop(headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")));
            }
            _ => {}
        }
        response
    }
}

/// A JSON value as an answer.
pub fn answer(status: StatusCode, value: &impl Serialize) -> Response {
    // what is sent has string keys alone, which is all that can fail
    let body = serde_json::to_vec(value).unwrap_or_default();
    (status, [(header::CONTENT_TYPE, "application/json")], Body::from(body)).into_response()
}
