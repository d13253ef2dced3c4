//! What is asked, and who answered.

use crate::zmesh::prompt::Input;
use crate::zmesh::{Chat, ChatMessage, GenerateRequest, Prompt, Receipt, Sampling};

pub const MODEL: &str = "octo-nano";
pub const QUESTION: &str = "Mia has 889 cards and gives away 657. How many cards now?";

/// A prompt of one user message.
pub fn chat(text: &str) -> Prompt {
    let message = ChatMessage { role: "user".into(), content: text.into() };
    Prompt { input: Some(Input::Chat(Chat { messages: vec![message] })) }
}

/// A question of which the answer is known; greedy, so that it is the same every time.
pub fn ask() -> GenerateRequest {
    GenerateRequest { model: MODEL.into(), prompt: Some(chat(QUESTION)), ..Default::default() }
}

/// Work for some seconds: 16 answers of 480 tokens that no end of turn cuts short.
pub fn long_answer() -> GenerateRequest {
    let sampling = Sampling {
        max_tokens: Some(480),
        ignore_eos: true,
        temperature: Some(1.0),
        seed: Some(7),
        ..Default::default()
    };
    GenerateRequest { n: 16, sampling: Some(sampling), ..ask() }
}

/// Exact names of the experts that answered.
pub fn experts(receipt: &Receipt) -> Vec<&str> {
    receipt.arms.iter().map(|arm| arm.expert.as_str()).collect()
}
