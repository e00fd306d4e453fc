// In the style of the toolkit's own examples: a file that can be required by tests, too.
var vumigo = require('../../../lib');

var Tea = vumigo.App.extend(function(self) {
    vumigo.App.call(self, 'states:start');

    self.states.add('states:start', function(name) {
        return new vumigo.states.MenuState(name, {
            question: 'Tea or coffee?',
            choices: [new vumigo.states.Choice('states:tea', 'Tea'), new vumigo.states.Choice('states:broken', 'Coffee')]
        });
    });
    self.states.add('states:tea', function(name) {
        return new vumigo.states.EndState(name, {text: 'Right.', next: 'states:start'});
    });
    self.states.add('states:broken', function(name) {
        throw new Error('out of coffee');
    });
});

vumigo.interact(this.api, Tea);
this.Tea = Tea;
