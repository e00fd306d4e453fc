// A guest book that you can talk to: the example app of `belljar worker --console`.
//
// Each message is handled by a process of its own that knows nothing of the messages before. What the app has to remember it keeps in
// `kv`: where each visitor is (`visitor.<address>`), how many have signed (`signatures`), and the last signatures (`book.0` to
// `book.4`).

const KEPT = 5;
const MENU = "1. Sign the guest book\n2. Read it\n3. Leave";

// A message of a visitor: the beginning of a session, an answer, or its end.
api.on_inbound_message = function (command) {
    const message = command.msg;
    if (message.session_event === "close") {
        // They have hung up: nobody is there to hear a reply.
        return remember(message, { at: "door" }, () => api.done());
    }
    ask(message, "kv.get", { key: visitor(message) }, (reply) => {
        const state = reply.value || { at: "door" };
        // Somebody who dials again begins anew, wherever they were.
        if (message.session_event === "new" || state.at === "door") return welcome(message);
        if (state.at === "book") return sign(message);
        choose(message);
    });
};

// What became of a message that we sent: of no interest here. An app that does not say that it is done is waited for.
api.on_inbound_event = function () {
    api.done();
};

function welcome(message) {
    ask(message, "kv.incr", { key: "visits." + message.from_addr }, (reply) => {
        const greeting = reply.value === 1 ? "Welcome!" : "Welcome back! This is visit number " + reply.value + ".";
        stay(message, "menu", greeting + "\n" + MENU);
    });
}

function choose(message) {
    switch ((message.content || "").trim()) {
        case "1":
            return stay(message, "book", "What would you like to write?");
        case "2":
            return read(message);
        case "3":
            return leave(message, "Goodbye!");
        default:
            return stay(message, "menu", "Please answer 1, 2 or 3.\n" + MENU);
    }
}

function sign(message) {
    const text = (message.content || "").trim().slice(0, 100);
    if (!text) return stay(message, "book", "An empty page? Write a word or two.");
    // `incr` gives each signature a number of its own, however many people sign at the same time.
    ask(message, "kv.incr", { key: "signatures" }, (reply) => {
        ask(message, "kv.set", { key: "book." + (reply.value % KEPT), value: { number: reply.value, text } }, () => {
            api.log_info("signature " + reply.value);
            stay(message, "menu", "Thank you, that was signature number " + reply.value + ".\n" + MENU);
        });
    });
}

function read(message) {
    const signatures = [];
    function next(page) {
        if (page < KEPT) {
            return ask(message, "kv.get", { key: "book." + page }, (reply) => {
                if (reply.value) signatures.push(reply.value);
                next(page + 1);
            });
        }
        signatures.sort((one, other) => one.number - other.number);
        const lines = signatures.map((signature) => signature.number + ": " + signature.text);
        stay(message, "menu", (lines.join("\n") || "Nobody has signed yet.") + "\n\n" + MENU);
    }
    next(0);
}

// Replies, and waits for an answer.
function stay(message, at, content) {
    remember(message, { at }, () => reply(message, content, true));
}

// Replies, and ends the session.
function leave(message, content) {
    remember(message, { at: "door" }, () => reply(message, content, false));
}

function remember(message, state, then) {
    // Forgotten after a day.
    ask(message, "kv.set", { key: visitor(message), value: state, seconds: 24 * 60 * 60 }, then);
}

function visitor(message) {
    return "visitor." + message.from_addr;
}

// Asks the worker for something, and goes on once it is there. If it cannot be had, the visitor is told so.
function ask(message, command, fields, then) {
    api.request(command, fields, (answer) => {
        if (answer.success) return then(answer);
        api.log_info(command + " failed: " + answer.reason);
        reply(message, "Something went wrong. Please try again later.", false);
    });
}

function reply(message, content, continue_session) {
    const fields = { content, in_reply_to: message.message_id, continue_session };
    api.request("outbound.reply_to", fields, () => api.done());
}
