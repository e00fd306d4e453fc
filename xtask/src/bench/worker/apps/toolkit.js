// A small menu, as apps for USSD are written with the toolkit: a question, a choice, an end.
var vumigo = require("vumigo_v02");

var Menu = vumigo.App.extend(function (self) {
    vumigo.App.call(self, "states:name");

    self.states.add("states:name", function (name) {
        return new vumigo.states.FreeText(name, { question: "What is your name?", next: "states:menu" });
    });

    self.states.add("states:menu", function (name) {
        return new vumigo.states.ChoiceState(name, {
            question: "Hello " + self.im.user.get_answer("states:name") + ", what next?",
            choices: [new vumigo.states.Choice("states:name", "Another name"), new vumigo.states.Choice("states:end", "Leave")],
            next: function (choice) {
                return choice.value;
            },
        });
    });

    self.states.add("states:end", function (name) {
        return new vumigo.states.EndState(name, { text: "Goodbye!", next: "states:name" });
    });
});

new vumigo.InteractionMachine(api, new Menu());
